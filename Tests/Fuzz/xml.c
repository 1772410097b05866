// SPDX-License-Identifier: Apache-2.0
// Everything that HTMLDocument.swift and XMLPull.swift ask of Sources/CXML: the first byte chooses between them.
#include "xml_library.h"
#include <stdint.h>
#include <string.h>

static size_t sum;

static void walk(forage_xml_node *node, int depth) {
    for (; node && depth < 200; node = forage_xml_next(node)) {
        const char *name = forage_xml_element_name(node);
        const char *text = forage_xml_text(node);
        sum += (name ? strlen(name) : 0) + (text ? strlen(text) : 0);
        char *attribute = forage_xml_attribute(node, "href");
        if (attribute) sum += strlen(attribute);
        forage_xml_free(attribute);
        forage_xml_node *child = forage_xml_first_child(node);
        if (child) walk(child, depth + 1);
    }
}

static void read_html(const char *bytes, int count) {
    forage_xml_document *document = forage_html_parse(bytes, count);
    if (!document) return;
    forage_xml_node *root = forage_xml_root(document);
    if (root) {
        walk(root, 0);
        char *content = forage_xml_content(root);
        if (content) sum += strlen(content);
        forage_xml_free(content);
    }
    forage_xml_document_free(document);
}

static void read_xml(const char *bytes, int count) {
    forage_xml_reader *reader = forage_xml_reader_open(bytes, count, NULL);
    if (!reader) return;
    while (forage_xml_reader_next(reader) == 1) {
        sum += (size_t)forage_xml_reader_kind(reader) + (size_t)forage_xml_reader_is_empty(reader);
        const char *name = forage_xml_reader_name(reader);
        const char *value = forage_xml_reader_value(reader);
        sum += (name ? strlen(name) : 0) + (value ? strlen(value) : 0);
        if (forage_xml_reader_kind(reader) != FORAGE_XML_START) continue;
        for (int more = forage_xml_reader_first_attribute(reader); more == 1;
             more = forage_xml_reader_next_attribute(reader)) {
            value = forage_xml_reader_value(reader);
            sum += value ? strlen(value) : 0;
        }
        forage_xml_reader_leave_attributes(reader);
    }
    forage_xml_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return -1;
    if (data[0] & 1) read_html((const char *)data + 1, (int)size - 1);
    else read_xml((const char *)data + 1, (int)size - 1);
    return 0;
}
