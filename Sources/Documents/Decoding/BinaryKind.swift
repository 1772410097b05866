// SPDX-License-Identifier: Apache-2.0

import Base

/// Names what a file that is no document is, for messages: "a PNG picture", "a program".
enum BinaryKind {
    private static let marks: [(bytes: [UInt8], name: String)] = [
        ([0x89, 0x50, 0x4E, 0x47], "a PNG picture"), ([0xFF, 0xD8, 0xFF], "a JPEG picture"),
        (Array("GIF8".utf8), "a GIF picture"), (Array("BM".utf8), "a BMP picture"),
        ([0x49, 0x49, 0x2A, 0], "a TIFF picture"), ([0x4D, 0x4D, 0, 0x2A], "a TIFF picture"),
        ([0x7F, 0x45, 0x4C, 0x46], "a program"), (Array("MZ".utf8), "a program"),
        ([0xCA, 0xFE, 0xBA, 0xBE], "a program"), ([0, 0x61, 0x73, 0x6D], "a program"),
        ([0xD0, 0xCF, 0x11, 0xE0], "a file of an Office before 2007 (save it as .docx, .xlsx or .pptx)"),
        (Array("SQLite format 3".utf8), "an SQLite database"), (Array("ID3".utf8), "a sound file"),
        (Array("OggS".utf8), "a sound file"), (Array("fLaC".utf8), "a sound file"),
        (Array("wOFF".utf8), "a font"), (Array("wOF2".utf8), "a font"), ([0, 1, 0, 0, 0], "a font"),
        (Array("OTTO".utf8), "a font"), (Array("glTF".utf8), "a 3D model"),
    ]

    static func name(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        if bytes.isEmpty { return "the file is empty" }
        if bytes.starts(with: Array("RIFF".utf8)), bytes.count >= 12 {
            switch String(decoding: bytes[8..<12], as: UTF8.self) {
            case "WEBP": return "a WebP picture"
            case "WAVE": return "a sound file"
            default: return "a film"
            }
        }
        if bytes.count >= 8, bytes[4..<8].elementsEqual("ftyp".utf8) { return "a film or picture (MPEG-4)" }
        for mark in marks where bytes.starts(with: mark.bytes) {
            // Two letters may begin a text.
            if mark.bytes == Array("BM".utf8), !isBitmap(bytes) { continue }
            return mark.name
        }
        return unknown
    }

    /// The name of bytes that have no mark.
    static let unknown = "binary data"

    /// Whether the header of a bitmap follows its two letters: four bytes that are zero, and a header of a known size.
    private static func isBitmap(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard bytes.count >= 26 else { return false }
        return bytes[6..<10].allSatisfy { $0 == 0 } && [12, 40, 52, 56, 64, 108, 124].contains(bytes[14])
            && bytes[15..<18].allSatisfy { $0 == 0 }
    }

    /// Whether the bytes are a picture that character recognition can read.
    static func isPicture(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        ["a PNG picture", "a JPEG picture", "a TIFF picture", "a BMP picture"].contains(name(bytes))
    }
}
