// SPDX-License-Identifier: Apache-2.0

import Net
import Testing

/// A key goes to the server that it was given for, and to no other.
@Suite struct EndpointKeyTests {
    private let settings = ["OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": "https://models.example:8443/v1"]

    @Test(arguments: [
        ("https://models.example:8443/v1", true), ("HTTPS://MODELS.EXAMPLE:8443/other", true),
        ("https://models.example./v1", false), ("https://models.example/v1", false),
        ("http://models.example:8443/v1", false), ("https://models.example:8444/v1", false),
        ("https://evil.example:8443/v1", false), ("https://models.example:8443@evil.example/v1", false),
        ("https://models.example:8443.evil.example/v1", false), ("https://models.example:8443\\@evil/v1", false),
        ("file:///etc/passwd", false), ("", false),
    ])
    func aKeyIsBoundToSchemeHostAndPort(url: String, isSent: Bool) {
        #expect((EndpointKey.find(for: url, settings) == "sk-secret") == isSent)
        #expect(EndpointKey.isConfigured(url, settings) == isSent)
    }

    @Test func withoutABaseTheUsersCommandDecides() {
        let settings = ["OPENAI_API_KEY": "sk-secret"]
        #expect(EndpointKey.find(for: "http://127.0.0.1:9/v1", settings) == "sk-secret")
        // What a corpus names is not configured by anyone.
        #expect(!EndpointKey.isConfigured("http://127.0.0.1:9/v1", settings))
    }

    @Test func originsAreReadStrictly() {
        #expect(HTTPOrigin("https://a.example") == HTTPOrigin("https://A.example:443/x?y#z"))
        #expect(HTTPOrigin("http://[::1]:80/")?.port == 80)
        #expect(HTTPOrigin("http://a.example:0/") == nil)
        #expect(HTTPOrigin("http://a b/") == nil)
        #expect(HTTPOrigin("http://user@a.example/") == nil)
    }

    @Test func keysAreHiddenInWhatServersSay() {
        #expect(EndpointKey.hiding(["sk-secret"], in: "Incorrect key sk-secret.") == "Incorrect key [key].")
    }

    /// A key in other spellings is as good as the key.
    @Test(arguments: [
        "SK-TEST-SECRETKEY-123456", "sk%2Dtest%2DSECRETKEY%2D123456", "sk-test-\u{200B}SECRETKEY-123456",
        "sk-test-SECRET KEY-123456", #"\u0073k-test-SECRETKEY-123456"#, "c2stdGVzdC1TRUNSRVRLRVktMTIzNDU2",
        "QmVhcmVyIHNrLXRlc3QtU0VDUkVUS0VZLTEyMzQ1Ng==", "dTpzay10ZXN0LVNFQ1JFVEtFWS0xMjM0NTY=",
        "736b2d746573742d5345435245544b45592d313233343536",
    ]) func otherSpellingsAreHidden(_ written: String) {
        let text = EndpointKey.hiding(["sk-test-SECRETKEY-123456"], in: "The key (\(written)) is wrong.")
        #expect(text.contains("[key]") && text.hasPrefix("The key (") && text.hasSuffix(" is wrong."))
        #expect(!text.uppercased().contains("SECRETKEY") && !text.contains("SECRET KEY") && !text.contains("SNRVRLRV"))
    }

    @Test func otherWordsStay() {
        let text = "An incorrect key was sent: see https://example.org/api-keys, status 401, request 123456."
        #expect(EndpointKey.hiding(["sk-test-SECRETKEY-123456"], in: text) == text)
    }
}
