// SPDX-License-Identifier: Apache-2.0

/// The web page's document. Its style and its script stand beside it.
enum WebPage {
    static let html = #"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>Forage</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="/page.css">
        </head>
        <body>
        <a class="skip" href="#question">Skip to the question</a>
        <header>
          <h1>Forage</h1>
          <p id="about"></p>
        </header>
        <div id="layout">
        <nav aria-labelledby="past-title">
          <h2 id="past-title">Sessions</h2>
          <ul id="past"></ul>
          <p><button id="compare" type="button" hidden>Compare the two chosen</button></p>
          <div id="runs-part" hidden>
            <h2 id="runs-title">Runs</h2>
            <ul id="runs" aria-labelledby="runs-title"></ul>
          </div>
        </nav>
        <main>
          <form id="ask">
            <label for="question">Question</label>
            <textarea id="question" rows="2" maxlength="4096" required
              placeholder="Ask something that takes several hops"></textarea>
            <div class="row">
              <label>Corpus <select id="corpus"></select></label>
              <label>Policy <select id="policy"></select></label>
              <button id="go" type="submit">Ask</button>
              <button id="stop" type="button" hidden>Finish now</button>
            </div>
          </form>
          <p id="status" role="status" aria-live="polite"></p>
          <section id="result" aria-labelledby="answer-title" hidden>
            <div id="thread" aria-label="What was said before"></div>
            <h2 id="answer-title">Answer</h2>
            <p id="asked"></p>
            <div id="answer"></div>
            <div id="facts"></div>
            <form id="follow" hidden>
              <label for="follow-question">Follow-up</label>
              <textarea id="follow-question" rows="1" maxlength="4096" required
                placeholder="And where was it published?"></textarea>
              <div class="row"><button id="follow-go" type="submit">Ask</button></div>
            </form>
          </section>
          <div id="panes">
            <section id="steps-pane" aria-labelledby="steps-title" hidden>
              <h2 id="steps-title">What happened</h2>
              <ol id="steps"></ol>
            </section>
            <section id="evidence-pane" aria-labelledby="evidence-title" hidden>
              <h2 id="evidence-title">Evidence</h2>
              <div id="evidence"></div>
            </section>
          </div>
          <section id="comparison" aria-labelledby="comparison-title" hidden>
            <h2 id="comparison-title">Comparison</h2>
            <div id="compared"></div>
          </section>
        </main>
        </div>
        <dialog id="passage" aria-labelledby="passage-title">
          <h2 id="passage-title"></h2>
          <div id="passage-text"></div>
          <form method="dialog"><button>Close</button></form>
        </dialog>
        <dialog id="run" aria-labelledby="run-title">
          <h2 id="run-title"></h2>
          <iframe id="run-page" sandbox="" title="The run's page"></iframe>
          <form method="dialog"><button>Close</button></form>
        </dialog>
        <dialog id="token-dialog" aria-labelledby="token-title">
          <form method="dialog" id="token-form">
            <h2 id="token-title">This server needs a token</h2>
            <label>Token <input id="token" type="password" autocomplete="off"></label>
            <button>Use it</button>
          </form>
        </dialog>
        <script src="/page.js"></script>
        </body>
        </html>
        """#
}
