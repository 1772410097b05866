// SPDX-License-Identifier: Apache-2.0

import Base

extension WebPage {
    /// Text of documents and models gets into the page as text nodes only, never as markup.
    static let script = #"""
        "use strict";
        const $ = id => document.getElementById(id);
        let token = sessionStorage.getItem("token") || "";
        let current = null;

        function make(tag, text, className) {
          const node = document.createElement(tag);
          if (text !== undefined) node.textContent = text;
          if (className) node.className = className;
          return node;
        }

        async function call(path, options = {}) {
          const headers = {...(options.headers || {})};
          if (token) headers.Authorization = "Bearer " + token;
          if (options.body) headers["Content-Type"] = "application/json";
          const response = await fetch(path, {...options, headers});
          if (response.status === 401) { askForToken(); throw new Error("a token is needed"); }
          if (!response.ok) {
            let text = response.status + " " + response.statusText;
            try { const body = await response.json(); text = body.detail?.[0]?.msg || body.error?.message || text; } catch {}
            throw new Error(text);
          }
          return response;
        }

        function askForToken() { if (!$("token-dialog").open) $("token-dialog").showModal(); }
        $("token-form").addEventListener("submit", () => {
          token = $("token").value; sessionStorage.setItem("token", token); start();
        });

        function status(text, kind) { $("status").textContent = text; $("status").className = kind || ""; }

        async function start() {
          try {
            const about = await (await call("/api/about")).json();
            $("about").textContent = about.corpora.map(c => `${c.name}: ${c.documents} documents, ${c.passages} passages`).join(" · ")
              + (about.model ? " · model " + about.model : " · no language model");
            $("corpus").replaceChildren(...about.corpora.map(c => make("option", c.name)));
            const policies = () => {
              const chosen = $("policy").value;
              const own = about.corpora[Math.max(0, $("corpus").selectedIndex)].policies;
              $("policy").replaceChildren(...own.map(p => make("option", p)));
              if (own.includes(chosen)) $("policy").value = chosen;
              $("go").disabled = own.length === 0;
            };
            $("corpus").onchange = policies;
            policies();
            await listSessions();
            await listRuns();
            if (location.hash.startsWith("#s=")) openSession(location.hash.slice(3));
          } catch (error) { status(error.message, "error"); }
        }

        async function listSessions() {
          const list = await (await call("/api/sessions")).json();
          const rows = list.sessions.map(session => {
            const row = make("li");
            const box = make("input");
            box.type = "checkbox"; box.value = session.id; box.style.width = "auto";
            box.setAttribute("aria-label", "Choose for comparison: " + session.question);
            box.addEventListener("change", chosenChanged);
            const button = make("button", session.question);
            button.append(make("small", `${session.policy} · ${session.running ? "running" : session.stop || "unfinished"}`));
            button.addEventListener("click", () => openSession(session.id));
            row.append(box, button);
            return row;
          });
          if (!rows.length) rows.push(make("li", "None yet"));
          $("past").replaceChildren(...rows);
          chosenChanged();
        }

        async function listRuns() {
          const {runs} = await (await call("/api/runs")).json();
          $("runs-part").hidden = runs.length === 0;
          $("runs").replaceChildren(...runs.map(run => {
            const row = make("li");
            const button = make("button", run.name);
            button.append(make("small", `${run.kind} · ${new Date(run.written * 1000).toLocaleString()}`));
            // Fetched with the token and opened from memory: a link of its own could not carry the token.
            button.addEventListener("click", async () => {
              try {
                const path = `/runs/${run.kind}/${encodeURIComponent(run.name)}`;
                const text = await (await call(path)).text();
                $("run-title").textContent = `${run.name} (${run.kind})`;
                $("run-page").srcdoc = text;
                $("run").showModal();
              } catch (error) { status(error.message, "error"); }
            });
            row.append(button);
            return row;
          }));
        }

        function chosen() { return [...document.querySelectorAll("#past input:checked")].map(box => box.value); }
        function chosenChanged() { $("compare").hidden = chosen().length !== 2; }

        function clear() {
          for (const id of ["result", "steps-pane", "evidence-pane", "comparison"]) $(id).hidden = true;
          for (const id of ["steps", "evidence", "answer", "facts", "compared"]) $(id).replaceChildren();
          current = {passages: new Map(), kept: new Map(), question: ""};
        }

        $("question").addEventListener("keydown", event => {
          if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("ask").requestSubmit(); }
        });
        $("ask").addEventListener("submit", async event => {
          event.preventDefault();
          const question = $("question").value.trim();
          if (!question) return;
          $("go").disabled = true;
          try {
            const body = JSON.stringify({question, corpus: $("corpus").value, policy: $("policy").value});
            const {id} = await (await call("/api/sessions", {method: "POST", body})).json();
            await openSession(id);
          } catch (error) { status(error.message, "error"); }
          $("go").disabled = false;
        });
        $("stop").addEventListener("click", () => current?.id && call(`/api/sessions/${current.id}/interrupt`, {method: "POST"}).catch(() => {}));

        async function openSession(id) {
          clear();
          const mine = current;
          mine.id = id;
          history.replaceState(null, "", "#s=" + id);
          status("Reading the session", "busy");
          $("stop").hidden = false;
          try {
            await events(`/api/sessions/${id}/events`, event => { if (current === mine) show(event); });
            if (current === mine) status("");
          } catch (error) { if (current === mine) status(error.message, "error"); }
          if (current === mine) $("stop").hidden = true;
          listSessions().catch(() => {});
        }

        async function events(path, take) {
          const reader = (await call(path)).body.pipeThrough(new TextDecoderStream()).getReader();
          let text = "";
          for (;;) {
            const {done, value} = await reader.read();
            if (done) return;
            text += value;
            let end;
            while ((end = text.indexOf("\n\n")) >= 0) {
              const block = text.slice(0, end);
              text = text.slice(end + 2);
              if (block.includes("event: end")) return;
              const data = block.split("\n").filter(line => line.startsWith("data: ")).map(line => line.slice(6)).join("\n");
              if (data) take(JSON.parse(data));
            }
          }
        }

        function addStep(text, className, time, detail) {
          $("steps-pane").hidden = false;
          const row = make("li", undefined, className);
          if (time !== undefined) row.append(make("time", time.toFixed(2) + " s"));
          row.append(...[].concat(text));
          if (detail) {
            const details = make("details");
            details.append(make("summary", "Show"), make("pre", detail));
            row.append(details);
          }
          $("steps").append(row);
        }

        function show(event) {
          const t = event.time;
          switch (event.event) {
          case "started":
            current.corpus = event.corpus.name;
            current.question = event.question;
            $("asked").textContent = event.question;
            addStep(`${event.policy.name} on ${event.corpus.name}` + (event.model.name ? ` with ${event.model.name}` : ""), "", t);
            break;
          case "step_started": addStep("Step " + event.step, "step", t); status("Step " + event.step, "busy"); break;
          case "assessed": addStep(`${event.retrieve ? "Retrieve" : "Enough"}: ${event.reason || ""}`, "", t); break;
          case "model_called": addStep(`Asking the model (${event.purpose})`, "", t); break;
          case "model_returned": {
            const message = event.response?.completions?.[0]?.message || {};
            const reasoning = message.reasoning || message.content;
            if (reasoning) addStep("The model wrote", "", t, reasoning);
            break;
          }
          case "model_failed": addStep("The model failed", "warn", t, JSON.stringify(event.error)); break;
          case "proposed": current.candidates = event.candidates; break;
          case "chose": {
            const candidate = current.candidates?.[event.index];
            if (candidate) addStep([make("span", candidate.proposer), make("span", candidate.reason ? ": " + candidate.reason : "")], "", t);
            break;
          }
          case "tool_called": {
            let text = event.invocation.arguments;
            try { text = Object.entries(JSON.parse(text)).map(([k, v]) => `${k}: ${typeof v === "string" ? v : JSON.stringify(v)}`).join(", "); } catch {}
            addStep([make("code", event.handle + " ← " + event.invocation.tool), document.createTextNode(" " + text)], "", t);
            break;
          }
          case "tool_returned": {
            const output = event.output;
            for (const scored of output.passages || []) {
              const passage = scored.passage || scored;
              current.passages.set(passage.id, passage);
            }
            addStep(output.summary || "returned", output.is_error || output.error ? "warn" : "", t, output.text);
            break;
          }
          case "kept": keep(event); break;
          case "corrected": addStep("Corrected: " + event.message, "warn", t); break;
          case "interrupted": addStep("You asked to finish", "warn", t); break;
          case "closing": addStep("Closing: " + event.stop.reason, "step", t); break;
          case "answered": answered(event.answer); break;
          case "finished": {
            const spent = event.spent || {};
            $("facts").append(make("div", `stopped: ${event.stop.reason} · ${spent.steps || 0} steps · ${spent.tool_calls || 0} tool calls · ${spent.prompt_tokens || 0} + ${spent.completion_tokens || 0} tokens` + (t ? ` · ${t.toFixed(2)} s` : "")));
            status("");
          }
          }
        }

        function keep(event) {
          $("evidence-pane").hidden = false;
          for (const item of event.kept) {
            const passage = {...item, id: item.passage};
            current.kept.set(passage.id, passage);
            current.passages.set(passage.id, {...current.passages.get(passage.id), ...passage});
          }
          for (const id of event.dropped || []) current.kept.delete(id);
          const rows = [...current.kept.values()].map(passage => {
            const row = make("div", undefined, "item");
            const button = make("button", passage.title || passage.id);
            button.addEventListener("click", () => openPassage(passage.id));
            const text = passage.text || current.passages.get(passage.id)?.text || "";
            row.append(button, make("p", text.length > 240 ? text.slice(0, 240) + "…" : text));
            return row;
          });
          for (const [id, rule] of Object.entries(event.suspicious || {})) addStep(`Kept away: ${id} (${rule})`, "warn");
          $("evidence").replaceChildren(...rows);
        }

        function answered(answer) {
          $("result").hidden = false;
          current.answer = answer;
          $("answer").textContent = answer.text;
          const facts = make("div");
          facts.append(make("span", answer.label === answer.answerer ? `${answer.label} answer. ` : `${answer.label} answer by ${answer.answerer}. `));
          for (const citation of answer.citations || []) {
            const button = make("button", citation.title || citation.passage, "cite");
            button.addEventListener("click", () => openPassage(citation.passage));
            facts.append(button);
          }
          if (!answer.citations?.length) facts.append(make("span", "It cites nothing."));
          $("facts").replaceChildren(facts);
        }

        // The words that carry the answer are marked: the citation's quote, else the answer, else the question's words.
        function supports(id) {
          const answer = current.answer;
          if (!answer) return [];
          const found = (answer.citations || []).filter(c => c.passage === id && c.quote).map(c => c.quote);
          if (answer.short) found.push(answer.short);
          return found.length ? found : [answer.text];
        }

        function marked(text, quotes) {
          const spans = [];
          for (const quote of quotes) {
            const at = text.toLowerCase().indexOf(quote.toLowerCase().trim());
            if (quote.trim() && at >= 0) spans.push([at, at + quote.trim().length]);
          }
          spans.sort((a, b) => a[0] - b[0]);
          const nodes = [];
          let at = 0;
          for (const [from, to] of spans) {
            if (to <= at) continue;
            nodes.push(document.createTextNode(text.slice(at, Math.max(at, from))), make("mark", text.slice(Math.max(at, from), to)));
            at = to;
          }
          nodes.push(document.createTextNode(text.slice(at)));
          return nodes;
        }

        async function openPassage(id) {
          let passages = [];
          const known = current.passages.get(id);
          if (known?.text) passages = [known];
          else {
            try { passages = (await (await call(`/api/passages/${encodeURIComponent(id)}?corpus=${encodeURIComponent(current.corpus)}`)).json()).passages; }
            catch (error) { status(error.message, "error"); return; }
          }
          $("passage-title").textContent = (passages[0]?.title || id) + " [" + id + "]";
          $("passage-text").replaceChildren(...passages.map(passage => {
            const p = make("p");
            p.append(...marked(passage.text, supports(id)));
            return p;
          }));
          $("passage").showModal();
        }

        $("compare").addEventListener("click", async () => {
          const ids = chosen();
          try {
            const sessions = await Promise.all(ids.map(async id => (await call("/api/sessions/" + id)).json()));
            clear();
            $("comparison").hidden = false;
            $("compared").replaceChildren(...sessions.map(session => {
              const header = session.events.find(e => e.event === "started") || {};
              const answer = session.events.find(e => e.event === "answered")?.answer;
              const end = session.events.find(e => e.event === "finished");
              const calls = session.events.filter(e => e.event === "tool_called");
              const box = make("div");
              const table = make("table");
              const rows = [["Question", header.question], ["Policy", header.policy?.name], ["Model", header.model?.name || "none"],
                ["Answer", answer?.text], ["Cites", (answer?.citations || []).map(c => c.title || c.passage).join(", ")],
                ["Stopped", end?.stop?.reason], ["Steps", end?.spent?.steps], ["Tool calls", end?.spent?.tool_calls],
                ["Tokens", end ? `${end.spent.prompt_tokens} + ${end.spent.completion_tokens}` : ""],
                ["Calls", calls.map(c => `${c.invocation.tool} ${c.invocation.arguments}`).join("\n")]];
              for (const [name, value] of rows) {
                const row = make("tr");
                row.append(make("td", name), make("td", value ?? ""));
                table.append(row);
              }
              box.append(table);
              return box;
            }));
          } catch (error) { status(error.message, "error"); }
        });

        start();
        """#
}
