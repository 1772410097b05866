// SPDX-License-Identifier: Apache-2.0
#include "xml_library.h"
#include <libxml/HTMLparser.h>
#include <libxml/tree.h>
#include <libxml/xmlreader.h>

forage_xml_document *forage_html_parse(const char *bytes, int count) {
    return htmlReadMemory(bytes, count, NULL, "UTF-8",
                          HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
                              HTML_PARSE_COMPACT);
}

void forage_xml_document_free(forage_xml_document *document) { xmlFreeDoc(document); }
forage_xml_node *forage_xml_root(forage_xml_document *document) { return xmlDocGetRootElement(document); }
forage_xml_node *forage_xml_root_of(forage_xml_node *node) {
    return node->doc ? xmlDocGetRootElement(node->doc) : NULL;
}

forage_xml_node *forage_xml_first_child(forage_xml_node *node) {
    return node->type == XML_ELEMENT_NODE ? node->children : NULL;
}
forage_xml_node *forage_xml_next(forage_xml_node *node) { return node->next; }
forage_xml_node *forage_xml_parent(forage_xml_node *node) {
    return node->parent && node->parent->type == XML_ELEMENT_NODE ? node->parent : NULL;
}
const char *forage_xml_element_name(forage_xml_node *node) {
    return node->type == XML_ELEMENT_NODE ? (const char *)node->name : NULL;
}
const char *forage_xml_text(forage_xml_node *node) {
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE ? (const char *)node->content : NULL;
}
char *forage_xml_attribute(forage_xml_node *node, const char *name) {
    return (char *)xmlGetProp(node, (const xmlChar *)name);
}
char *forage_xml_content(forage_xml_node *node) { return (char *)xmlNodeGetContent(node); }
void forage_xml_free(void *memory) { xmlFree(memory); }

forage_xml_reader *forage_xml_reader_open(const char *bytes, int count, const char *encoding) {
    return xmlReaderForMemory(bytes, count, NULL, encoding,
                              XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
                                  XML_PARSE_COMPACT);
}
void forage_xml_reader_close(forage_xml_reader *reader) { xmlFreeTextReader(reader); }
int forage_xml_reader_next(forage_xml_reader *reader) { return xmlTextReaderRead(reader); }

forage_xml_kind forage_xml_reader_kind(forage_xml_reader *reader) {
    switch (xmlTextReaderNodeType(reader)) {
    case XML_READER_TYPE_ELEMENT: return FORAGE_XML_START;
    case XML_READER_TYPE_END_ELEMENT: return FORAGE_XML_END;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_WHITESPACE:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE: return FORAGE_XML_TEXT;
    default: return FORAGE_XML_OTHER;
    }
}
int forage_xml_reader_is_empty(forage_xml_reader *reader) { return xmlTextReaderIsEmptyElement(reader) == 1; }
const char *forage_xml_reader_name(forage_xml_reader *reader) {
    return (const char *)xmlTextReaderConstLocalName(reader);
}
const char *forage_xml_reader_value(forage_xml_reader *reader) { return (const char *)xmlTextReaderConstValue(reader); }
/// Goes on to an attribute that is no declaration of a namespace.
static int passed_namespaces(forage_xml_reader *reader, int found) {
    while (found == 1 && xmlTextReaderIsNamespaceDecl(reader) == 1) found = xmlTextReaderMoveToNextAttribute(reader);
    return found == 1;
}
int forage_xml_reader_first_attribute(forage_xml_reader *reader) {
    return passed_namespaces(reader, xmlTextReaderMoveToFirstAttribute(reader));
}
int forage_xml_reader_next_attribute(forage_xml_reader *reader) {
    return passed_namespaces(reader, xmlTextReaderMoveToNextAttribute(reader));
}
void forage_xml_reader_leave_attributes(forage_xml_reader *reader) { xmlTextReaderMoveToElement(reader); }
