// SPDX-License-Identifier: Apache-2.0

/// A document as it was given: its identity, its text and its typed metadata.
public struct Document: Sendable, Hashable {
    /// The identity that the source gave it; unique in a corpus, at most 512 bytes.
    public var id: String
    /// The title; empty when the source has none.
    public var title: String
    /// The whole text.
    public var text: String
    /// The typed metadata, by field name.
    public var metadata: [String: MetadataValue]
    /// Where it came from: the path as the user wrote it, for messages and provenance.
    public var source: String

    public init(
        id: String, title: String = "", text: String, metadata: [String: MetadataValue] = [:], source: String = ""
    ) {
        self.id = id
        self.title = title
        self.text = text
        self.metadata = metadata
        self.source = source
    }
}

/// A passage's place in a generation of a corpus: 0 up to the number of passages. Passages of a document are contiguous.
public typealias PassageOrdinal = UInt32

/// A document's place in a generation of a corpus: 0 up to the number of documents.
public typealias DocumentOrdinal = UInt32

/// A piece of a document, of the size that is searched, shown to a model and cited.
public struct Passage: Sendable, Hashable {
    /// The citable identity: the document's id when the document is one passage, else `documentID#n`, n from 1.
    public var id: String
    /// The place in the generation that was read.
    public var ordinal: PassageOrdinal
    /// The document that it is a part of.
    public var documentID: String
    /// The document's place in the generation that was read.
    public var documentOrdinal: DocumentOrdinal
    /// The document's title.
    public var title: String
    /// The passage's text.
    public var text: String
    /// Where the text stands in the document's text, in Unicode scalars.
    public var range: Range<Int>
    /// The pages that it is on, from 1; nil for documents without pages. A page ends at U+000C in the document's text.
    public var pages: ClosedRange<Int>?

    public init(
        id: String, ordinal: PassageOrdinal, documentID: String, documentOrdinal: DocumentOrdinal, title: String,
        text: String, range: Range<Int>, pages: ClosedRange<Int>? = nil
    ) {
        self.id = id
        self.ordinal = ordinal
        self.documentID = documentID
        self.documentOrdinal = documentOrdinal
        self.title = title
        self.text = text
        self.range = range
        self.pages = pages
    }
}

/// A metadata value with its type.
public enum MetadataValue: Sendable, Hashable {
    case text(String)
    case number(Double)
    /// A whole number that a `Double` does not hold exactly: more than 53 bits. Smaller ones are `number`: see
    /// ``exact(_:)``.
    case integer(Int64)
    case boolean(Bool)
    /// Seconds since 1970-01-01T00:00:00Z.
    case date(Int64)
    /// Values of one of the other types.
    case list([MetadataValue])
}

/// The type of a metadata field.
public enum FieldType: String, Sendable, Hashable, CaseIterable {
    case text, number, boolean, date, textList, numberList
}
