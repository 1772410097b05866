# SPDX-License-Identifier: Apache-2.0
"""Makes the test files in Tests/DocumentsTests/Files: PDF, Office, OpenDocument, EPUB, Parquet, archives.

Needs reportlab, python-docx, python-pptx, openpyxl, odfpy, ebooklib, pyarrow and Pillow. The files are committed, so that
tests need none of these.
"""
import datetime, gzip, io, json, os, tarfile, zipfile

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "DocumentsTests", "Files")
os.makedirs(folder, exist_ok=True)


def path(name):
    return os.path.join(folder, name)


def pdf():
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, Table, PageBreak, Spacer

    styles = getSampleStyleSheet()

    def head(canvas, document):
        canvas.drawString(60, 810, "Harbour Board Annual Report")
        canvas.drawString(280, 30, "Page %d" % document.page)

    document = BaseDocTemplate(path("report.pdf"), pagesize=A4, title="Harbour Report", author="Ada Quill",
                               subject="Lighterage", keywords="port, fees", invariant=1)
    left = Frame(60, 60, 230, 720, id="left")
    right = Frame(310, 60, 230, 720, id="right")
    whole = Frame(60, 60, 480, 720, id="whole")
    document.addPageTemplates([
        PageTemplate(id="two", frames=[left, right], onPage=head),
        PageTemplate(id="one", frames=[whole], onPage=head),
    ])
    from reportlab.platypus import NextPageTemplate, FrameBreak
    first = "The eastern quay was dredged in spring and the old crane was sold to a museum. " * 6
    second = "Pilots asked for a second tug, which the board refused for lack of money. " * 6
    story = [Paragraph(first, styles["Normal"]), FrameBreak(), Paragraph(second, styles["Normal"]),
             NextPageTemplate("one"), PageBreak(), Paragraph("Fees by quay", styles["Heading2"])]
    rows = [["Quay", "Ships", "Fee", "Tonnage"], ["North", "12", "4.50", "1,200"], ["East", "7", "3.25", "830"],
            ["South", "31", "9.10", "4,410"], ["West", "2", "1.00", "95"]]
    story += [Table(rows, colWidths=[120, 100, 100, 100]), Spacer(1, 20)]
    for number in range(3, 6):
        story += [PageBreak(), Paragraph("Chapter %d tells of ropes, lamps and tides." % number, styles["Normal"])]
    document.build(story)

    from reportlab.pdfgen import canvas
    from PIL import Image, ImageDraw
    image = Image.new("L", (900, 200), 255)
    ImageDraw.Draw(image).text((20, 60), "LANTERNS AND KEYS", fill=0, font_size=72)
    from reportlab.lib.utils import ImageReader
    page = canvas.Canvas(path("scan.pdf"), pagesize=A4, invariant=1)
    page.drawImage(ImageReader(image), 50, 600, 450, 100)
    page.save()


def docx():
    import docx
    document = docx.Document()
    document.core_properties.title = "Kelp farming"
    document.core_properties.author = "Bo Reed"
    document.core_properties.created = document.core_properties.modified = datetime.datetime(2024, 3, 1, 12)
    document.add_heading("Ropes", 1)
    document.add_paragraph("Kelp grows on ropes that hang from buoys.")
    document.add_paragraph("Sugar kelp", style="List Bullet")
    table = document.add_table(rows=0, cols=3)
    for row in [["Month", "Water", "Yield"], ["May", "9", "120"], ["June", "", "180"]]:
        for cell, text in zip(table.add_row().cells, row):
            cell.text = text
    document.save(path("kelp.docx"))


def pptx():
    import pptx
    from pptx.util import Inches
    slides = pptx.Presentation()
    slides.core_properties.title = ""
    for title, body in [("Lighthouses", "Lamps burn whale oil"), ("Keepers", "Two keepers share a watch")]:
        slide = slides.slides.add_slide(slides.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    slides.slides[1].notes_slide.notes_text_frame.text = "Mention the storm of 1953."
    table = slides.slides[0].shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for row, cells in enumerate([["Tower", "Height"], ["Skerry", "41 m"]]):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    slides.save(path("lights.pptx"))


def xlsx():
    import openpyxl
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Stock"
    sheet.append(["Part", "Price", "Since", "Note"])
    sheet.append(["Monitor 24\"", 199.5, datetime.date(2021, 5, 17), "with stand"])
    sheet.append(["Cable", 4, datetime.date(2019, 1, 2), None])
    sheet.append(["Panel", 1234567, datetime.date(2020, 2, 29), "for walls\nand doors"])
    plan = book.create_sheet("Plan")
    plan["B2"] = "Budget"
    plan["B4"] = "Rent"
    plan["D4"] = 500
    book.save(path("stock.xlsx"))


def odf():
    from odf.opendocument import OpenDocumentText, OpenDocumentSpreadsheet
    from odf.text import H, P
    from odf.table import Table, TableRow, TableCell
    from odf import dc
    text = OpenDocumentText()
    text.meta.addElement(dc.Title(text="Salt roads"))
    text.text.addElement(H(outlinelevel=1, text="From the marsh"))
    text.text.addElement(P(text="Salt went inland on mules."))
    table = Table()
    for cells in [["Town", "Mules"], ["Lune", "40"]]:
        row = TableRow()
        for cell in cells:
            element = TableCell()
            element.addElement(P(text=cell))
            row.addElement(element)
        table.addElement(row)
    text.text.addElement(table)
    text.save(path("salt.odt"))
    book = OpenDocumentSpreadsheet()
    table = Table(name="Tides")
    for cells in [["Place", "High", "Low"], ["Skerry", 4.1, 0.5], ["Lune", 3.2, 0.9]]:
        row = TableRow()
        for cell in cells:
            if isinstance(cell, float):
                element = TableCell(valuetype="float", value=cell)
            else:
                element = TableCell(valuetype="string")
            element.addElement(P(text=str(cell)))
            row.addElement(element)
        table.addElement(row)
    book.spreadsheet.addElement(table)
    book.save(path("tides.ods"))


def epub():
    from ebooklib import epub
    book = epub.EpubBook()
    book.set_identifier("lamp-book")
    book.set_title("The Lamp Book")
    book.set_language("en")
    book.add_author("Ada Quill")
    chapters = []
    for number, (title, body) in enumerate([("Wicks", "A wick is trimmed at dusk."), ("Oils", "Colza oil burns clean.")]):
        chapter = epub.EpubHtml(title=title, file_name="chapter%d.xhtml" % (number + 1))
        chapter.content = "<html><head><title>%s</title></head><body><h1>%s</h1><p>%s</p></body></html>" % (title, title, body)
        book.add_item(chapter)
        chapters.append(chapter)
    book.toc = chapters
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = ["nav"] + chapters
    epub.write_epub(path("lamps.epub"), book)


def parquet():
    import pyarrow, pyarrow.parquet
    table = pyarrow.table({"id": ["p1", "p2"], "title": ["Anchor", "Rope"], "text": ["Heavy anchor", "Two metres of rope"],
                           "day": [datetime.date(2024, 1, 2), None], "price": [9.5, None]})
    pyarrow.parquet.write_table(table, path("parts.parquet"))


def archives():
    stamp = (2024, 1, 2, 3, 4, 6)

    def entry(name):
        return zipfile.ZipInfo(name, date_time=stamp)

    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(entry("deep.md"), "# Deep\n\nA note in a ZIP in a ZIP.\n")
    with zipfile.ZipFile(path("bundle.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry("notes/first.md"), "# First\n\nA note in a ZIP.\n")
        archive.writestr(entry("../../escape.txt"), "A path that leads out.")
        archive.writestr(entry("rows.csv"), "id,text\nz1,Row in a ZIP\nz2,Another row\n")
        archive.writestr(entry("inner.zip"), inner.getvalue())
        archive.writestr(entry("picture.bin"), bytes(range(256)) * 4)
    with tarfile.open(path("bundle.tar.gz"), "w:gz") as archive:
        data = b"Text in a tar.\n"
        member = tarfile.TarInfo("folder/plain.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("folder/link.txt")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        archive.addfile(link)
    with open(path("lines.jsonl.gz"), "wb") as file:
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
            packed.write(b'{"id":"g1","text":"One packed line."}\n{"id":"g2","text":"Two packed lines."}\n')
    # A hundred megabytes in a hundred kilobytes.
    with zipfile.ZipFile(path("bomb.zip"), "w") as archive:
        big = entry("letters.txt")
        big.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(big, "w") as member:
            for _ in range(100):
                member.write(b"a" * (1 << 20))


def office_details():
    """What OfficeDetailTests reads: merged cells, comments, formulas without results, charts, notes, names in archives."""
    import openpyxl
    from openpyxl.comments import Comment

    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = book.active
    sheet.title = "Berths"
    for row in [["Quay", "Ship", "Arrived", "Fee", "Note"],
                ["North", "Alba", datetime.date(2024, 1, 31), 1234.5, None],
                ["North", "Brig", datetime.date(2024, 2, 1), 99, '=HYPERLINK("https://example.org","papers")'],
                ["South", "Cutter", None, "n/a", "#N/A"], ["Total", None, None, "=SUM(D2:D3)", None]]:
        sheet.append(row)
    for number in (2, 3):
        sheet.cell(number, 3).number_format = "dd/mm/yyyy"
    sheet.merge_cells("A2:A3")
    sheet["B2"].comment = Comment("Leaves at dawn", "Bo")
    book.save(path("berths.xlsx"))

    from pptx import Presentation
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Catch"
    data = CategoryChartData()
    data.categories = ["Spring", "Autumn"]
    data.add_series("Herring", (12, 7.5))
    data.add_series("Cod", (3, 4))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(2), Inches(5), Inches(4), data)
    whole = io.BytesIO()
    presentation.save(whole)
    # Layouts and the workbook behind the chart are large, and not read.
    unread = ("embeddings", "slideLayout", "slideMaster", "thumbnail", "printer")
    with zipfile.ZipFile(path("catch.pptx"), "w", zipfile.ZIP_DEFLATED) as small:
        for part in zipfile.ZipFile(whole).infolist():
            if not any(word in part.filename for word in unread):
                small.writestr(part.filename, zipfile.ZipFile(whole).read(part))

    from odf.opendocument import OpenDocumentText
    from odf.text import H, Note, NoteBody, NoteCitation, P

    document = OpenDocumentText()
    document.text.addElement(H(outlinelevel=1, text="Minutes"))
    paragraph = P(text="The crane was sold")
    note = Note(id="n1", noteclass="footnote")
    note.addElement(NoteCitation(text="1"))
    body = NoteBody()
    body.addElement(P(text="To a museum in Narvik."))
    body.addElement(P(text="For scrap value."))
    note.addElement(body)
    paragraph.addElement(note)
    paragraph.addText(" in May.")
    document.text.addElement(paragraph)
    document.save(path("minutes.odt"))

    with zipfile.ZipFile(path("names.zip"), "w") as archive:
        archive.writestr("Größe/ångström.txt", "unicode name")
        archive.writestr("plain.txt", "plain name")
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("GrXsse.txt", "pc name")
    # A name in the character set of the first PC.
    with open(path("names-cp437.zip"), "wb") as file:
        file.write(plain.getvalue().replace(b"GrXsse.txt", b"Gr\x94sse.txt"))
    cut = io.BytesIO()
    with zipfile.ZipFile(cut, "w") as archive:
        archive.writestr("a.txt", "first member")
        archive.writestr("b.txt", "second member " * 50)
    with open(path("cut.zip"), "wb") as file:
        file.write(cut.getvalue()[:60])


def encodings():
    """The files of EncodingTests, from the texts in `Encodings/expected.json`; their names end in the encoding."""
    names = {"1250": "cp1250", "1251": "cp1251", "1252": "cp1252", "1254": "cp1254", "1255": "cp1255", "1257": "cp1257",
             "8859-2": "iso8859-2", "8859-7": "iso8859-7", "eucjp": "euc-jp", "utf8": "utf-8"}
    with open(path("Encodings/expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    for name, text in expected.items():
        encoded = text.encode(names[name.split(".")[0].split("-", 1)[1]])
        if name.startswith("mended"):
            encoded = encoded.replace("’".encode(), b"\x92")
        with open(path("Encodings/" + name), "wb") as file:
            file.write(encoded)



for make in [pdf, docx, pptx, xlsx, odf, epub, parquet, archives, office_details, encodings]:
    make()
