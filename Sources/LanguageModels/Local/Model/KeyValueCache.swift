// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation

/// The keys and values of all sequences, in pages of 32 tokens that sequences share where their beginnings agree.
///
/// A full page stays findable under the tokens that led to it after its sequence has ended, until the memory is
/// needed: then the page that was used longest ago goes first. Used by the engine's thread only.
final class KeyValueCache {
    static let pageTokens = Int(FORAGE_LM_PAGE)

    /// Names a full page by its tokens and the page before it, whose own name is unique: equal keys, equal contents.
    private struct Key: Hashable {
        var parent: Int
        var tokens: [Int32]
    }

    private struct Page {
        var memory: UnsafeMutablePointer<UInt16>
        var users = 0
        var serial = 0
        var key: Key?
        var lastUse = 0
    }

    /// Halves of one page.
    let pageSize: Int
    /// The most pages.
    let capacity: Int
    private var pages: [Page] = []
    private var free: [Int] = []
    private var index: [Key: Int] = [:]
    private var nextSerial = 1
    private var clock = 0

    /// - Parameter budget: bytes for all pages; at least one page is allowed.
    init(configuration c: ModelConfiguration, budget: Int) {
        pageSize = c.layers * 2 * c.keyValueHeads * c.headSize * Self.pageTokens
        capacity = max(1, budget / (pageSize * 2))
    }

    deinit { for page in pages { page.memory.deallocate() } }

    /// Bytes that the pages hold now.
    var bytes: Int { pages.count * pageSize * 2 }
    /// Pages that a new sequence could have: unused, evictable or not yet made.
    var available: Int { capacity - pages.count + pages.count(where: { $0.users == 0 }) }

    func memory(_ page: Int) -> UnsafeMutablePointer<UInt16> { pages[page].memory }
    func serial(_ page: Int) -> Int { pages[page].serial }

    func retain(_ page: Int) { pages[page].users += 1 }

    func release(_ page: Int) {
        pages[page].users -= 1
        guard pages[page].users == 0 else { return }
        clock += 1
        pages[page].lastUse = clock
        if pages[page].key == nil { free.append(page) }
    }

    /// A page for one user.
    /// - Returns: nil when the budget is used up by running sequences.
    func allocate() -> Int? {
        let page: Int
        if let unused = free.popLast() {
            page = unused
        } else if pages.count < capacity {
            let memory = UnsafeMutablePointer<UInt16>.allocate(capacity: pageSize)
            memory.initialize(repeating: 0, count: pageSize)
            pages.append(Page(memory: memory))
            page = pages.count - 1
        } else {
            var oldest: Int?
            for candidate in pages.indices where pages[candidate].users == 0 {
                if oldest.map({ pages[candidate].lastUse < pages[$0].lastUse }) ?? true { oldest = candidate }
            }
            guard let victim = oldest else { return nil }
            if let key = pages[victim].key { index[key] = nil }
            page = victim
        }
        pages[page].key = nil
        pages[page].users = 1
        pages[page].serial = nextSerial
        nextSerial += 1
        return page
    }

    /// Makes a full page findable.
    func seal(_ page: Int, after parent: Int?, tokens: ArraySlice<Int32>) {
        let key = Key(parent: parent.map { pages[$0].serial } ?? 0, tokens: Array(tokens))
        guard index[key] == nil, pages[page].key == nil else { return }
        pages[page].key = key
        index[key] = page
    }

    /// The pages that hold the longest known beginning of `tokens`, at most `limit` tokens; each is retained.
    func match(_ tokens: [Int32], limit: Int) -> [Int] {
        var found: [Int] = []
        var parent = 0
        var start = 0
        while start + Self.pageTokens <= min(limit, tokens.count) {
            let key = Key(parent: parent, tokens: Array(tokens[start..<start + Self.pageTokens]))
            guard let page = index[key] else { break }
            retain(page)
            found.append(page)
            parent = pages[page].serial
            start += Self.pageTokens
        }
        return found
    }

    /// Forgets every page that no sequence uses.
    func clear() {
        for page in pages.indices where pages[page].users == 0 && pages[page].key != nil {
            if let key = pages[page].key { index[key] = nil }
            pages[page].key = nil
            free.append(page)
        }
    }
}

/// One sequence: its tokens whose keys and values are in the cache, and the pages that hold them.
final class CachedSequence {
    let cache: KeyValueCache
    private(set) var tokens: [Int32]
    private(set) var pages: [Int]

    /// Starts with what the cache knows of `prompt`; the last token is always left to compute.
    init(cache: KeyValueCache, prompt: [Int32]) {
        self.cache = cache
        pages = cache.match(prompt, limit: prompt.count - 1)
        tokens = Array(prompt.prefix(pages.count * KeyValueCache.pageTokens))
    }

    private init(cache: KeyValueCache, tokens: [Int32], pages: [Int]) {
        self.cache = cache
        self.tokens = tokens
        self.pages = pages
    }

    deinit { for page in pages { cache.release(page) } }

    /// A sequence with the same beginning. Full pages are shared; a begun one is copied.
    /// - Returns: the sequence, and the last tokens of this one that it lacks where no memory was left for the begun page.
    func fork() -> (sequence: CachedSequence, missing: [Int32]) {
        let full = tokens.count / KeyValueCache.pageTokens
        var shared = Array(pages.prefix(full))
        shared.forEach(cache.retain)
        var known = tokens.count
        if tokens.count % KeyValueCache.pageTokens != 0 {
            if let page = cache.allocate() {
                cache.memory(page).update(from: cache.memory(pages[full]), count: cache.pageSize)
                shared.append(page)
            } else {
                known = full * KeyValueCache.pageTokens
            }
        }
        let fork = CachedSequence(cache: cache, tokens: Array(tokens.prefix(known)), pages: shared)
        return (fork, Array(tokens.suffix(from: known)))
    }

    /// Gives all memory back. What is sealed may stay in the cache for a while.
    /// - Returns: the tokens that must be computed again.
    func evict() -> [Int32] {
        let computed = tokens
        for page in pages { cache.release(page) }
        pages = []
        tokens = []
        return computed
    }

    /// Takes what the cache still knows of these tokens.
    /// - Precondition: the sequence is empty.
    /// - Returns: how many tokens need not be computed again.
    func restore(_ known: [Int32]) -> Int {
        pages = cache.match(known, limit: known.count)
        tokens = Array(known.prefix(pages.count * KeyValueCache.pageTokens))
        return tokens.count
    }

    /// Makes room for `count` more tokens.
    /// - Returns: false when there is no memory.
    func reserve(_ count: Int) -> Bool {
        let needed = (tokens.count + count + KeyValueCache.pageTokens - 1) / KeyValueCache.pageTokens
        while pages.count < needed {
            guard let page = cache.allocate() else { return false }
            pages.append(page)
        }
        return true
    }

    /// Records tokens whose keys and values have been written.
    func append(_ new: ArraySlice<Int32>) {
        for token in new {
            tokens.append(token)
            let size = KeyValueCache.pageTokens
            guard tokens.count % size == 0 else { continue }
            let full = tokens.count / size - 1
            cache.seal(
                pages[full], after: full > 0 ? pages[full - 1] : nil,
                tokens: tokens[(tokens.count - size)...])
        }
    }
}
