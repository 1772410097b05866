// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

@Suite struct QuestionFormTests {
    @Test(arguments: [
        ("Can you tell me who the managing director is?", "who the managing director is?"),
        ("Could you please tell me which extension I have to call?", "which extension I have to call?"),
        ("Do you know when the company was founded?", "when the company was founded?"),
        ("Hi, what's the hotel limit?", "what's the hotel limit?"),
        ("Hello! I would like to know how many people work here.", "how many people work here."),
        ("I was wondering if the lift is working", "if the lift is working"),
        ("Please show me the list of open invoices", "the list of open invoices"),
        ("any idea where the keys are?", "where the keys are?"),
        ("How many flights failed? Thanks a lot!", "How many flights failed?"),
        ("pls tell me who makes it, thanks!!", "who makes it"),
        ("How many bugs are still open please?", "How many bugs are still open"),
        ("Can you tell me how many bugs are still open? Thank you very much.", "how many bugs are still open?"),
    ]) func shellsAreTakenOff(_ text: String, _ core: String) { #expect(QuestionForm.core(text) == core) }

    @Test(arguments: [
        "Can you export a grid as JPEG?", "Who wrote it?", "So what?", "Well of Souls, who directed it?", "", "?",
        "Do you know", "tell me", "Is the lift working?", "Hello Dolly was filmed where?", "Can I save it?",
        "Who is the best?", "Is it ok?", "When do we say thanks?",
    ]) func othersStayAsTheyAre(_ text: String) { #expect(QuestionForm.core(text) == text) }
}
