// SPDX-License-Identifier: Apache-2.0

/// The name that a misspelt one was probably meant to be: the nearest by edit distance, at most a third of its length
/// (and at least 2) away; ties go to the first.
package func nearest(to name: String, among names: [String]) -> String? {
    guard name.utf8.count <= 128 else { return nil }
    let lowered = Array(name.lowercased().utf8)
    let bound = max(2, lowered.count / 3)
    var best: (name: String, distance: Int)?
    for candidate in names where candidate.utf8.count <= 128 {
        let distance = editDistance(lowered, Array(candidate.lowercased().utf8))
        if distance <= bound, distance < (best?.distance ?? .max) { best = (candidate, distance) }
    }
    return best?.name
}

/// Levenshtein's distance between two byte strings. O(n · m).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for (i, byte) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in b.enumerated() {
            let substituted = diagonal + (byte == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
        }
    }
    return row[b.count]
}
