// SPDX-License-Identifier: Apache-2.0
// The part of libxml2 that is used, without its headers. Nothing here loads a document type, an outside entity or an address.
#pragma once
#include <stddef.h>

typedef struct _xmlNode forage_xml_node;
typedef struct _xmlDoc forage_xml_document;
typedef struct _xmlTextReader forage_xml_reader;

/// Parses an HTML page of UTF-8, however malformed. NULL when there is no memory.
forage_xml_document *_Nullable forage_html_parse(const char *_Nullable bytes, int count);
void forage_xml_document_free(forage_xml_document *_Nonnull document);
forage_xml_node *_Nullable forage_xml_root(forage_xml_document *_Nonnull document);
/// The root of the document that a node belongs to.
forage_xml_node *_Nullable forage_xml_root_of(forage_xml_node *_Nonnull node);

forage_xml_node *_Nullable forage_xml_first_child(forage_xml_node *_Nonnull node);
forage_xml_node *_Nullable forage_xml_next(forage_xml_node *_Nonnull node);
/// The element around a node; NULL for the root.
forage_xml_node *_Nullable forage_xml_parent(forage_xml_node *_Nonnull node);
/// The name of an element; NULL for other nodes.
const char *_Nullable forage_xml_element_name(forage_xml_node *_Nonnull node);
/// The text of a text node; NULL for other nodes.
const char *_Nullable forage_xml_text(forage_xml_node *_Nonnull node);
/// The value of an attribute, which the caller frees with forage_xml_free; NULL when there is none.
char *_Nullable forage_xml_attribute(forage_xml_node *_Nonnull node, const char *_Nonnull name);
/// The text of a node and all below it, which the caller frees with forage_xml_free.
char *_Nullable forage_xml_content(forage_xml_node *_Nonnull node);
void forage_xml_free(void *_Nullable memory);

/// What the reader stands on.
typedef enum { FORAGE_XML_OTHER, FORAGE_XML_START, FORAGE_XML_END, FORAGE_XML_TEXT } forage_xml_kind;

/// A reader that pulls one node after the other out of XML, which must stay. Entities that the document declares stay what
/// they are. NULL when there is no memory.
forage_xml_reader *_Nullable forage_xml_reader_open(const char *_Nullable bytes, int count,
                                                    const char *_Nullable encoding);
void forage_xml_reader_close(forage_xml_reader *_Nonnull reader);
/// Goes to the next node: 1 when there is one, 0 at the end, -1 where the XML is malformed.
int forage_xml_reader_next(forage_xml_reader *_Nonnull reader);
forage_xml_kind forage_xml_reader_kind(forage_xml_reader *_Nonnull reader);
int forage_xml_reader_is_empty(forage_xml_reader *_Nonnull reader);
/// The name without its prefix, of an element or of the attribute that the reader stands on.
const char *_Nullable forage_xml_reader_name(forage_xml_reader *_Nonnull reader);
const char *_Nullable forage_xml_reader_value(forage_xml_reader *_Nonnull reader);
/// Goes to the first or next attribute of the element; 1 when there is one.
int forage_xml_reader_first_attribute(forage_xml_reader *_Nonnull reader);
int forage_xml_reader_next_attribute(forage_xml_reader *_Nonnull reader);
/// Goes back to the element.
void forage_xml_reader_leave_attributes(forage_xml_reader *_Nonnull reader);
