// SPDX-License-Identifier: Apache-2.0

import Testing
import Text

@testable import Reading

@Suite struct PolarQuestionTests {
    @Test(arguments: [
        ("Is the pool open in winter?", "en"), ("Haven't they paid the invoice?", "en"), ("Was there a fire?", "en"),
        ("Le refuge est-il ouvert en hiver ?", "fr"), ("Y a-t-il un parking ?", "fr"),
        ("Est-ce que les chiens sont admis ?", "fr"), ("Sind Hunde im Haus erlaubt?", "de"),
        ("Gibt es einen Parkplatz?", "de"), ("¿Hay piscina en el hotel?", "es"), ("¿Se puede fumar?", "es"),
        ("Si può pagare con carta?", "it"), ("Há estacionamento no hotel?", "pt"),
        ("Is er een lift in het gebouw?", "nl"),
    ]) func formsAreKnown(_ question: String, _ code: String) {
        #expect(PolarQuestion(question)?.language.code == code)
    }

    @Test(arguments: [
        "Who built the bridge?", "Which has more rooms, the inn or the lodge?", "Was kostet der Eintritt?",
        "Qui est-ce ?", "Où est-il né ?", "¿Cuándo abre el museo?", "Quanto costa il biglietto?", "Is it A or B?",
        "pool",
        "",
    ]) func whatAsksForSomethingElseIsNoPolarQuestion(_ question: String) {
        #expect(PolarQuestion(question) == nil)
    }

    @Test(arguments: [
        (CalendarCycle.weekdays, "open Tuesday to Sunday", [1, 2, 3, 4, 5, 6]), (.weekdays, "Mon–Wed", [0, 1, 2]),
        (.weekdays, "Sat - Mon and Wednesdays", [0, 2, 5, 6]), (.weekdays, "daily except Mondays", [1, 2, 3, 4, 5, 6]),
        (.weekdays, "we sat in the sun", []), (.months, "from 1 June until 30 September", [5, 6, 7, 8]),
        (.months, "November to February", [0, 1, 10, 11]), (.months, "they may march", []), (.months, "in May", [4]),
    ]) func placesOfACycleAreRead(_ cycle: CalendarCycle, _ text: String, _ expected: [Int]) {
        #expect(cycle.places(in: text).sorted() == expected)
    }
}
