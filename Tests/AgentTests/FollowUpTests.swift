// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Testing
import Text

@testable import Agent

@Suite struct FollowUpTests {
    private func turns(_ pairs: [(String, String, String)]) -> [Dialogue.Turn] {
        pairs.map { Dialogue.Turn(question: $0.0, answer: $0.1, short: $0.2) }
    }

    @Test func aPronounTakesTheLastAnswersPlace() {
        let first = turns([
            (
                "Which magazine was started first, Arthur's Magazine or First for Women?",
                "It was Arthur's Magazine [a#1].", "Arthur's Magazine"
            )
        ])
        #expect(
            FollowUpRule.standalone("And in which city was it published?", after: first)
                == "And in which city was Arthur's Magazine published?")
        let author = turns([("Who wrote Emma?", "Jane Austen wrote it.", "Jane Austen")])
        #expect(FollowUpRule.standalone("Where was she born?", after: author) == "Where was Jane Austen born?")
        #expect(FollowUpRule.standalone("When was it published?", after: author) == "When was Emma published?")
        #expect(
            FollowUpRule.standalone("What were her other novels?", after: author)
                == "What were Jane Austen's other novels?")
    }

    @Test func whatStandsAloneIsLeftAlone() {
        let author = turns([("Who wrote Emma?", "Jane Austen wrote it.", "Jane Austen")])
        for question in ["Who wrote Moby-Dick?", "What is the capital of France?", "Is there a bridge in Prague?"] {
            #expect(FollowUpRule.standalone(question, after: author) == question)
        }
        #expect(
            FollowUpRule.standalone("And in which city was it published?", after: [])
                == "And in which city was it published?")
    }

    @Test(
        arguments: [
            (
                "What did I pay Trattoria Zeffiro in February 2023?", "And in November?",
                "What did I pay Trattoria Zeffiro in November 2023?"
            ),
            ("How many wines are from Spain?", "And from Portugal?", "How many wines are from Portugal?"),
            ("How many wines are from Spain?", "What about Portugal?", "How many wines are from Portugal?"),
            ("How many visitors came in 2021?", "and in 2022?", "How many visitors came in 2022?"),
        ])
    func whatIsLeftOutIsTakenFromTheQuestionBefore(_ first: String, _ second: String, _ whole: String) {
        #expect(FollowUpRule.standalone(second, after: turns([(first, "7", "7")])) == whole)
    }

    @Test func aDateIsNothingThatAPronounStandsFor() {
        let first = turns([("When did Sandpiper arrive on Mars?", "It arrived on 11 January 2011.", "11 January 2011")])
        #expect(FollowUpRule.standalone("and how far did it drive?", after: first).contains("Sandpiper"))
    }

    @Test func survivesAnything() {
        for text in [
            "", "?", "it", "it it it it", "And", "'s", "…", "What about?", "它是什么？",
            String(repeating: "it ", count: 5000),
        ] {
            _ = FollowUpRule.standalone(text, after: turns([(text, text, text), ("Who wrote Emma?", "", "")]))
        }
    }

    /// On turns that the rule was not made from (the development part of TREC CAsT) it comes nearer to what people wrote than the
    /// question as it was typed, and than the question with the one before it.
    @Test func comesNearerToPeoplesRewritingsThanThePlainThings() {
        var plain = 0.0, joined = 0.0, rule = 0.0, count = 0.0
        for conversation in Self.cast.split(separator: "\n\n") {
            var before: [Dialogue.Turn] = []
            for line in conversation.split(separator: "\n") {
                let parts = line.split(separator: " => ").map(String.init)
                guard parts.count == 2 else { continue }
                if let last = before.last {
                    count += 1
                    plain += Self.overlap(parts[0], parts[1])
                    joined += Self.overlap(last.question + " " + parts[0], parts[1])
                    rule += Self.overlap(FollowUpRule.standalone(parts[0], after: before), parts[1])
                }
                before.append(Dialogue.Turn(question: parts[0]))
            }
        }
        #expect(count > 50)
        #expect(
            rule / count > plain / count + 0.03,
            "rule \(rule / count), as typed \(plain / count), joined \(joined / count), \(count) turns")
        #expect(rule > joined)
    }

    /// F1 of the words that carry meaning.
    private static func overlap(_ a: String, _ b: String) -> Double {
        let (a, b) = (EvidenceWords.terms(a), EvidenceWords.terms(b))
        let shared = Double(a.intersection(b).count)
        return a.isEmpty || b.isEmpty ? (a.isEmpty && b.isEmpty ? 1 : 0) : 2 * shared / Double(a.count + b.count)
    }

    @Test func aModelsRewritingIsTakenOnlyWhenItKeepsWhatWasAsked() {
        let dialogue = Dialogue(turns: turns([("Who wrote Emma?", "Jane Austen wrote it.", "Jane Austen")]))
        func accepted(_ written: String) -> String? { FollowUp.accepted(written, for: "Where was she born?", dialogue) }
        #expect(accepted("Where was Jane Austen born?") == "Where was Jane Austen born?")
        #expect(accepted("Question: \"Where was Jane Austen born?\"") == "Where was Jane Austen born?")
        #expect(
            accepted("<think>She is Jane Austen.</think>Where was Jane Austen born?") == "Where was Jane Austen born?")
        #expect(accepted("Jane Austen was born in Steventon, Hampshire.") == nil)
        #expect(accepted("I cannot help with that.") == nil)
        #expect(accepted("") == nil)
        #expect(accepted("Where was Jane Austen born?\nShe was born in Steventon.") == nil)
    }

    @Test func theModelRewritesAndTheRuleStandsIn() async throws {
        let dialogue = Dialogue(turns: turns([("Who wrote Emma?", "Jane Austen wrote it.", "Jane Austen")]))
        let script: JSONValue = [
            "model": "rewriter", "repeat_last": true,
            "turns": [
                [
                    "content": "Where was the author Jane Austen born?",
                    "usage": ["prompt_tokens": 9, "completion_tokens": 5],
                ]
            ],
        ]
        let good = try await FollowUp(model: ScriptedModel(script: script, source: "test")).question(
            "Where was she born?", in: dialogue)
        #expect(good.text == "Where was the author Jane Austen born?")
        #expect(good.dialogue.asked == "Where was she born?")
        #expect(good.dialogue.rewriter == "rewriter")
        #expect(good.dialogue.usage.promptTokens == 9)
        let dead: JSONValue = ["turns": [["content": "x", "failures": ["unavailable", "unavailable"]]]]
        let fallback = try await FollowUp(model: ScriptedModel(script: dead, source: "test")).question(
            "Where was she born?", in: dialogue)
        #expect(fallback.text == "Where was Jane Austen born?")
        #expect(fallback.dialogue.rewriter == "rule")
        let copy = try Dialogue(json: good.dialogue.json)
        #expect(copy == good.dialogue)
    }

    /// Turns of TREC CAsT 2019 to 2021 with people's rewritings (daltonj/treccastweb, MIT licence).
    private static let cast = """
        Tell me about the Neverending Story film. => Tell me about the Neverending Story film.
        What is it about? => What is the Neverending Story film about?
        How was it received? => How was the Neverending Story film received?
        Did it win any awards? => Did the Neverending Story film win any awards?
        Was it a book first? => Was the Neverending Story film a book first?
        Who was the author and when what it published? => Who was the author and when was the Neverending Story film published?
        What are the main themes? => What are the main themes of the Neverending Story film?
        Who are the main characters? => Who are the main characters of the the Neverending Story film?
        What are the differences between the book and movies? => What are the differences between the book and movies of the the Neverending Story?
        Did the horse Artax really die? => Did the horse Artax really die?

        What is the US Electoral College? => What is the US Electoral College?
        How does it work? => How does the US Electoral College work?
        Tell me about its creation. => Tell me about the US Electoral College creation.
        Why was the system chosen? => Why was the US Electoral College system chosen?
        How has it changed over time? => How has the US Electoral College changed over time?
        What if the electors don't vote for the pledged candidate? => What if the electors don't vote for the pledged candidate?
        How has this changed election outcomes? => How have electors that don't vote for the pledged candidate changed election outcomes?
        Who are the Hamilton Electors and what were they trying to do? => Who are the Hamilton Electors and what were the Hamilton Electors trying to do?
        How would the College be abolished? => How would the US Electoral College be abolished?
        How does the National Popular Vote Interstate Compact work? => How does the National Popular Vote Interstate Compact work?
        Is it legal? => Is the National Popular Vote Interstate Compact legal?

        What is Chattanooga famous for? => What is Chattanooga famous for?
        What is there to do in downtown Chattanooga? => What is there to do in downtown Chattanooga?
        Are there tourism activities related to trucks or trains? => Are there tourism activities related to trucks or trains in Chattanooga?
        Are there any related to Bessie Smith? => Are there tourism activities related to Bessie Smith in Chattanooga?
        Can I visit some nearby distilleries? => Can I visit some nearby distilleries around Chattanooga?
        What is Rock City, and why is it famous? => What is Rock City in Chattanooga, and why is it famous?
        Are special events held there? => Are special events held at Rock City in Chattanooga?
        What kind of food is Chattanooga known for? => What kind of food is Chattanooga known for?

        What is the main function of a virtual machine? => What is the main function of a virtual machine?
        What are its advantages? => What are a virtual machine's advantages?
        Describe some of its disadvantages. => Describe some of a virtual machine's disadvantages.
        How do they work? => How do virtual machines work?
        What are the main types of VMs? => What are the main types of Virtual Machines?
        What is their role in cloud computing? => What is the role of virtual machines in cloud computing?
        How is a container different? => How is a container different than a virtual machine?
        What is the advantage of Docker? => What is the advantage of Docker?
        How is it related Kurbenetes? => How is Docker related Kurbenetes?

        Describe the Afra tanker scale. => Describe the Afra tanker scale.
        Why was it developed? => Why was the Afra tanker scale developed?
        What are supertankers? => What are supertankers?
        Describe their invention. => Describe supertankers' invention.
        What are the important factors led to their development? => What are the important factors led to supertankers' development?
        What was the role of the Six-Day War? => What was the role of the Six-Day War in supertankers' development?
        How many barrels can a VLCC ship carry? => How many barrels can a VLCC ship carry?
        What is the largest in the world? => What is the largest VLCC ship in the world?
        What new problem did increased scale create? => What new problem did increased scale create for VLCC ships?
        Describe crude oil washing. => Describe crude oil washing for supertankers.

        Which weekend sports have the most injuries? => Which weekend sports have the most injuries?
        What are the most common types of injuries? => What are the most common types of injuries?
        What is the ACL? => What is the ACL?
        What is an injury for it? => What is an injury for the ACL?
        Tell me about the RICE method. => Tell me about the RICE method.
        Is there disagreement about it? => Is there disagreement about the RICE method?
        What is arnica used for? => What is arnica used for in sports injuries?
        What are some ways to avoid injury? => What are some ways to avoid sports injuries?

        What are the types of pork ribs? => What are the types of pork ribs?
        What are baby backs? => What are baby back pork ribs?
        What are the differences with spareribs? => What are the differences between baby back ribs and spareribs?
        What are ways to cook them? => What are ways to cook pork ribs?
        How about on the bbq? => How do you cook pork ribs on the bbq?
        Describe the 321 method. => Describe the 321 method of cooking pork ribs
        How long do they take to smoke? => How long do pork ribs take to smoke?
        How do you know when they are done? => How do you know when pork ribs are done smoking?
        What is in a typical rub? => What is in a typical pork rib bbq rub?
        What’s the best style of sauce for them? => What’s the best style of sauce for pork ribs?
        What’s in Kansas City style sauce? => What’s in Kansas City style BBQ sauce?

        What's the difference between soup and stew? => What's the difference between soup and stew?
        Is chilli a stew? => Is chilli a stew?
        How about goulash? => Is goulash a stew?
        What are popular ones in France? => What are popular stews in France?
        How is cassoulet made? => How is cassoulet made?
        Tell me about feijoada and its significance. => Tell me about feijoada and its significance.
        How is it similar or different from cassoulet? => How is feijoada similar or different from cassoulet?
        Tell about Bigos stew. => Tell about Bigos stew.
        Why is it important? => Why is Bigos stew important?
        What is the history of Irish stew? => What is the history of Irish stew?
        """
}
