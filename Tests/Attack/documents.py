# SPDX-License-Identifier: Apache-2.0
"""Small files that ask for much: each is read as far as it goes or set aside, within the bars for time and memory.

What is measured is the processor's time, that of the process that reads PDF included, and the largest resident set.
"""
import io, os, shutil, signal, sqlite3, subprocess, time, zipfile, zlib


def pdf(filters, content, pages=1):
    data = content
    for _ in range(filters):
        data = zlib.compress(data, 9)
    names = b"/FlateDecode" * filters
    parts = [b"<</Type/Catalog/Pages 2 0 R>>",
             b"<</Type/Pages/Kids[" + b" ".join(b"%d 0 R" % (5 + i) for i in range(pages)) + b"]/Count %d>>" % pages,
             b"<</Length %d/Filter[%s]>>stream\n" % (len(data), names) + data + b"\nendstream",
             b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    # All pages have one content.
    parts += [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>>>"] * pages
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + part + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table
            + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(out)))


def packed(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def wide(levels, width, data):
    for level in range(levels):
        data = packed((f"l{level}_{i}.{'txt' if level == 0 else 'zip'}", data) for i in range(width))
    return data


def shared_strings(rows, columns, text):
    sheet = "<row>" + '<c t="s"><v>0</v></c>' * columns + "</row>"
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kinds = "http://schemas.openxmlformats.org/package/2006"
    return packed([
        ("[Content_Types].xml", f'<Types xmlns="{kinds}/content-types"/>'),
        ("_rels/.rels", f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="r" Type="{relation}/officeDocument" '
                        'Target="xl/workbook.xml"/></Relationships>'),
        ("xl/workbook.xml", f'<workbook {space} xmlns:r="{relation}"><sheets><sheet name="a" sheetId="1" r:id="s"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{kinds}/relationships"><Relationship Id="s" '
                                       f'Type="{relation}/worksheet" Target="worksheets/s.xml"/></Relationships>'),
        ("xl/sharedStrings.xml", f"<sst {space}><si><t>{text}</t></si></sst>"),
        ("xl/worksheets/s.xml", f"<worksheet {space}><sheetData>{sheet * rows}</sheetData></worksheet>"),
    ])


def spreadsheet(cell):
    office = "urn:oasis:names:tc:opendocument:xmlns:"
    return packed([("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", (
        f'<office:document-content xmlns:office="{office}office:1.0" xmlns:table="{office}table:1.0" '
        f'xmlns:text="{office}text:1.0"><office:body><office:spreadsheet><table:table table:name="a">{cell}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"))])


def mail(parts):
    head = b"From: a@b\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"--b\r\n\r\nsalt\r\n" * parts + b"--b--\r\n"


def aliases(line, start):
    return start + "".join(line.format(i, ",".join([f"*a{i - 1}"] * 9)) for i in range(1, 24))


def bombs():
    words = b"BT /F1 12 Tf (salt) Tj ET\n"
    yield "filters.pdf", pdf(2, words * (48 << 20 >> 4))
    yield "filters3.pdf", pdf(3, words * (1 << 21))
    yield "pages.pdf", pdf(1, words * 2000, pages=2000)
    yield "wide.zip", wide(5, 10, b"salt " * 200_000)
    yield "deep.zip", wide(40, 1, b"salt")
    yield "same.zip", wide(4, 12, b"salt " * 10_000)
    yield "books.zip", packed([("a.zip", packed((f"{i}.xlsx", shared_strings(500, 20, "salt " * 2000)) for i in range(200)))])
    yield "parts.eml", mail(200_000)
    yield "hidden.eml", mail(200_000).replace(b"boundary=b", b"boundary*0=\"b\"")
    yield "strings.xlsx", shared_strings(5000, 20, "salt " * 20_000)
    yield "cells.ods", spreadsheet('<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
                                   'table:number-columns-repeated="16384"><text:p>salt</text:p></table:table-cell></table:table-row>')
    yield "spaces.ods", spreadsheet('<table:table-row><table:table-cell><text:p>a<text:s text:c="999999999"/>b</text:p>'
                                    "</table:table-cell></table:table-row>")
    yield "spans.html", "<table>" + "<tr><td colspan=999999999 rowspan=999999999>salt" * 2000 + "</table>"
    yield "names.xml", "<a " + " ".join(f'b{i}="c"' for i in range(200_000)) + ">salt</a>"
    yield "entities.xml", ("<!DOCTYPE a [<!ENTITY e0 'saltsaltsalt'>" + "".join(
        f"<!ENTITY e{i} '{f'&e{i - 1};' * 10}'>" for i in range(1, 12)) + "]><a>&e11;</a>")
    yield "aliases.yaml", aliases("a{0}: &a{0} [{1}]\n", "a0: &a0 [lol]\n")
    yield "merges.yaml", aliases("a{0}: &a{0}\n  <<: [{1}]\n  k{0}: 1\n", "a0: &a0 {x: 1}\n")
    yield "quotes.md", ">" * 200_000 + " salt"
    yield "brackets.md", "[" * 100_000 + "salt"
    yield "nested.json", "[" * 500_000 + "1" + "]" * 500_000
    yield "braces.tex", "\\documentclass{article}\\begin{document}" + "{" * 200_000 + "salt" + "}" * 200_000
    yield "templates.wiki", "{{" * 100_000 + "salt" + "}}" * 100_000
    yield "columns.csv", ",".join(f"c{i}" for i in range(50_000)) + "\n" + "\n".join(["," * 49_999] * 20)


def measure(command, limit):
    """Exit status, seconds of the processor, and MiB; None when it had to be killed."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + limit
    while True:
        done, status, used = os.wait4(process.pid, os.WNOHANG)
        if done:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024
        if time.time() > end:
            process.kill()
            os.wait4(process.pid, 0)
            process.returncode = -9
            return None
        time.sleep(0.02)


def attack_databases(program, folder, corpus, fault):
    """Corpora whose database holds views, triggers and the like, which run whatever they say."""
    endless = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c)"
    large = "hex(zeroblob(400000000))"

    def view(table, columns):
        return [f"ALTER TABLE {table} RENAME TO old_{table}", f"CREATE VIEW {table} AS SELECT {columns} FROM old_{table}"]
    changes = {
        "a view of generations": view("generations", f"number, changes, documents, passages, {endless} AS published"),
        "a view of files": view("files", f"generation, role, name, size, checksum, {large} AS parameters"),
        "a view of documents": view("documents", f"row, id, source, run, hash, metadata, {endless} AS passages"),
        "a trigger": [f"CREATE TRIGGER t AFTER INSERT ON texts BEGIN INSERT INTO fields VALUES (CAST({endless} AS TEXT), 'x'); END"],
        "a generated column": [f"ALTER TABLE settings ADD COLUMN big TEXT AS ({large})"],
    }
    extra = os.path.join(folder, "more.txt")
    with open(extra, "w") as f:
        f.write("an ordinary note about salt\n")
    for name, statements in changes.items():
        copy = os.path.join(folder, "changed.forage")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(corpus, copy)
        database = sqlite3.connect(os.path.join(copy, "corpus.sqlite"), isolation_level=None)
        for statement in statements:
            database.execute(statement)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        for command in (["search", "keyword", "--corpus", copy, "salt"], ["corpus", "info", copy], ["corpus", "verify", copy],
                        ["index", extra, "--output", copy, "--encoder", "none"]):
            used = measure([program, *command], 20)
            if used is None or used[0] == 0 or used[2] > 300:
                fault(f"a database with {name}, {command[:2]}: {used}")


def attack_documents(program, folder, bars, measured, fault):
    place = os.path.join(folder, "bombs")
    os.makedirs(place)
    worst = {"seconds": (0, ""), "mib": (0, "")}
    count = 0
    for name, data in bombs():
        path, corpus = os.path.join(place, name), os.path.join(place, "bomb.forage")
        with open(path, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        shutil.rmtree(corpus, ignore_errors=True)
        used = measure([program, "index", path, "--output", corpus, "--encoder", "none"], 4 * bars["document_seconds"])
        count += 1
        if used is None:
            fault(f"{name}: reading it does not end")
            continue
        status, seconds, mib = used
        worst = {"seconds": max(worst["seconds"], (round(seconds, 1), name)), "mib": max(worst["mib"], (mib, name))}
        if status not in (0, 1) or seconds > bars["document_seconds"] or mib > bars["bomb_mib"]:
            fault(f"{name}: exit status {status}, {seconds:.1f} s, {mib} MiB")
        os.remove(path)
    measured.update(documents=count, documents_worst_seconds=worst["seconds"], documents_worst_mib=worst["mib"])
    # Who ends the program in the middle of such a file need not wait for it.
    path = os.path.join(place, "large.pdf")
    with open(path, "wb") as f:
        f.write(pdf(2, b"BT /F1 12 Tf (salt) Tj ET\n" * (48 << 20 >> 4)) + b"%" * (1 << 20))
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([program, "index", path, "--output", os.path.join(place, "end.forage"), "--encoder", "none"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        began = time.time()
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            fault(f"{number.name} while a PDF is read: it does not end")
        measured[f"{number.name.lower()}_in_pdf_seconds"] = round(time.time() - began, 2)
