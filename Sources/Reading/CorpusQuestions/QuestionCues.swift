// SPDX-License-Identifier: Apache-2.0

/// Which operations a question's function words leave open. They only bound the grammar: which of what is left open is meant,
/// the scorer has learned.
struct QuestionCues: Sendable {
    let words: Set<String>
    var isYesNo = false
    var asksNumber = false
    var asksTotal = false
    var asksMean = false
    var asksDifference = false
    var asksPercent = false
    var asksRatio = false
    var asksTime = false
    var asksList = false
    var asksOrder = false
    var hasSuperlative = false
    /// Asks about money that went out.
    var asksSpending = false
    /// Asks how much money went out together, and not how often.
    var asksSum = false
    var hasPlace = false
    var hasNeighbour = false
    /// "both", "but never", "as well": two sets are held against each other.
    var asksShared = false
    /// The words that say so.
    private(set) var sharedMask: UInt64 = 0
    var periods: Set<ProgramPeriod> = []
    /// Whole numbers from 2 to 50 that may say how many are wanted.
    var smallNumbers: [Int] = []
    private let tokens: [QuestionToken]

    static let auxiliaries = WordList(
        """
        is are was were do does did has have had can could will would should may might shall isnt arent wasnt werent doesnt dont
        didnt hasnt havent
        """)

    private static let openers = WordList("so and but also hey hi ok okay well then please now")
    private static let indefinite = WordList("any anyone anybody anything ever")
    private static let shares = WordList("both never also but neither well")

    /// "Did …", "So is …", "Anyone …": what begins a question for yes or no.
    static func opensYesNo(_ tokens: [QuestionToken]) -> Bool {
        guard let first = tokens.first?.text else { return false }
        // "May 2023" is a month.
        if first == "may", tokens.count > 1, tokens[1].number != nil { return false }
        if auxiliaries.contains(first) || indefinite.contains(first) { return true }
        guard openers.contains(first), tokens.count > 1 else { return false }
        return auxiliaries.contains(tokens[1].text) || indefinite.contains(tokens[1].text)
    }

    /// The mask of the words that say a number.
    func mask(ofNumber number: Int) -> UInt64 {
        tokens.indices.filter { tokens[$0].number == Double(number) }.reduce(0) { $0 | ($1..<($1 + 1)).mask }
    }

    init(_ tokens: [QuestionToken]) {
        self.tokens = tokens
        let texts = tokens.map(\.text)
        let all = Set(texts)
        words = all
        func any(_ list: String) -> Bool {
            list.split { $0 == " " || $0 == "\n" }.contains { all.contains(String($0)) }
        }
        let auxiliaries = Self.auxiliaries
        // "Did …?", or after a comma: "In 2023, did …?"
        isYesNo = Self.opensYesNo(tokens) || all.contains("whether")
        for at in tokens.indices where tokens[at].followsComma && auxiliaries.contains(tokens[at].text) {
            isYesNo = true
        }
        asksNumber = any(
            """
            many number count total much often times amount sum long far old quantity tally more fewer less
            difference
            """)
        asksTotal = any(
            """
            total sum combined together altogether overall much many all both cumulative highest lowest maximum
            minimum greatest most least add
            """)
        asksMean = any("average mean typical typically averaged averages per avg")
        asksDifference = any(
            """
            difference more fewer less than between change increase decrease longer gap separate apart exceed
            compared range margin older younger taller higher ahead differ behind changed increased decreased
            """)
        asksPercent = any("percent percentage share proportion fraction rate %") || any("change")
        asksRatio = any("ratio proportion per")
        asksTime = any("when year month date day years months")
        asksList = any("list all name what which who show give every sort rank order find each")
        asksOrder = any(
            """
            sort sorted order ordered rank ranked ascending descending chronological chronologically
            alphabetical alphabetically starting
            """)
        let hasOr = all.contains("or")
        let isDegree = texts.contains { text in
            if text.hasSuffix("est"), text.utf8.count > 4 { return true }
            if hasOr, text.hasSuffix("er"), WordForms.positive(text) != nil { return true }
            return WordForms.ordinal(text) != nil && text.utf8.count > 2
        }
        hasSuperlative =
            any(
                """
                most least more less fewer fewest top first last best worst max maximum min minimum highest lowest
                earlier later latest better worse leading only initial final previous majority longer larger higher
                lower bottom record peak prolific often frequently frequent common commonly recent recently debut
                newer older further farther faster slower busiest major primarily mostly begin start
                """) || isDegree
        asksSpending = any(
            """
            pay pays paid paying payment payments spend spends spent spending bill bills cost costs expense expenses expensive
            dear dearest cheap cheapest purchase purchases bought buy buys withdraw withdrew withdrawal charge charged fee fees
            """)
        asksSum =
            any("pay pays paid paying spend spends spent spending cost costs")
            && !any("often times many frequently frequent common commonly usual usually average mean")
        hasPlace = any(
            """
            first last top bottom final initial latest earliest begin start end recent ended started listed only
            second
            """)
        hasNeighbour = any(
            """
            before after next previous following follow follows followed preceding precedes preceded prior
            subsequent above below directly immediately consecutive right under came beside comes listed
            succeeded replaced then predecessor successor
            """)
        for at in tokens.indices where Self.shares.contains(texts[at]) { sharedMask |= (at..<(at + 1)).mask }
        asksShared = sharedMask != 0 || any("none without")
        if any("month months monthly") { periods.insert(.month) }
        if any("year years yearly annual annually") { periods.insert(.year) }
        if any("day days daily date dates") { periods.insert(.day) }
        for token in tokens {
            if let number = token.number, number == number.rounded(), number >= 2, number <= 50 {
                let whole = Int(number)
                if !smallNumbers.contains(whole), smallNumbers.count < 2 { smallNumbers.append(whole) }
            }
        }
    }
}
