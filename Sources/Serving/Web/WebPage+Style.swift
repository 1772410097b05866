// SPDX-License-Identifier: Apache-2.0

extension WebPage {
    static let css = #"""
        :root {
          color-scheme: light dark;
          --ground: light-dark(#fbfaf7, #16181a);
          --card: light-dark(#ffffff, #1f2225);
          --text: light-dark(#1d1f21, #e8e6e1);
          --faint: light-dark(#5c6166, #a2a6aa);
          --line: light-dark(#dcd8ce, #363a3e);
          --accent: light-dark(#2b6a4b, #7cc79d);
          --on-accent: light-dark(#ffffff, #10231a);
          --mark: light-dark(#fff0b8, #5a4a10);
          --warn: light-dark(#9a3412, #f4a261);
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--text);
          font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
        header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap;
          padding: .8rem 1.2rem; border-bottom: 1px solid var(--line); }
        h1 { font-size: 1.25rem; margin: 0; color: var(--accent); }
        h2 { font-size: 1rem; margin: 0 0 .5rem; }
        header p { margin: 0; color: var(--faint); font-size: .9rem; }
        .skip { position: absolute; left: -999px; }
        .skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .3rem .6rem; }
        #layout { display: grid; grid-template-columns: 17rem minmax(0, 1fr); gap: 1.2rem; padding: 1.2rem;
          max-width: 90rem; margin: 0 auto; }
        nav ul { list-style: none; margin: 0; padding: 0; max-height: 75vh; overflow: auto; }
        nav li { display: flex; gap: .4rem; align-items: flex-start; border-bottom: 1px solid var(--line); padding: .35rem 0; }
        nav li button { all: unset; cursor: pointer; flex: 1; font-size: .9rem; }
        nav li button:hover { color: var(--accent); }
        nav small { color: var(--faint); display: block; }
        form#ask, section, dialog { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
        form#ask label { font-weight: 600; }
        textarea, select, input { width: 100%; font: inherit; color: inherit; background: var(--ground);
          border: 1px solid var(--line); border-radius: .4rem; padding: .5rem; }
        .row { display: flex; gap: .8rem; align-items: end; flex-wrap: wrap; margin-top: .6rem; }
        .row label { font-weight: 400; font-size: .9rem; flex: 1 1 9rem; }
        button { font: inherit; padding: .5rem 1.1rem; border-radius: .4rem; border: 1px solid var(--accent);
          background: var(--accent); color: var(--on-accent); cursor: pointer; }
        button[disabled] { opacity: .5; cursor: default; }
        #stop { background: transparent; color: var(--warn); border-color: var(--warn); }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        #status { min-height: 1.5em; margin: .5rem 0; color: var(--faint); }
        #status.error { color: var(--warn); }
        #result { margin-bottom: 1rem; border-left: .3rem solid var(--accent); }
        #asked { margin: 0 0 .3rem; color: var(--faint); }
        #answer { font-size: 1.15rem; white-space: pre-wrap; }
        #facts { color: var(--faint); font-size: .9rem; margin-top: .5rem; }
        .cite { all: unset; cursor: pointer; color: var(--accent); text-decoration: underline dotted; margin-right: .5rem; }
        #panes { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; }
        #steps { list-style: none; margin: 0; padding: 0; }
        #steps > li { border-left: 2px solid var(--line); padding: .15rem 0 .15rem .8rem; font-size: .93rem; }
        #steps > li.step { border-color: var(--accent); font-weight: 600; margin-top: .5rem; }
        #steps > li.warn { color: var(--warn); }
        #steps time { color: var(--faint); font-size: .8rem; float: right; margin-left: .5rem; font-weight: 400; }
        code { background: var(--ground); border-radius: .3rem; padding: .05rem .3rem; font-size: .88em; }
        details summary { cursor: pointer; color: var(--faint); font-size: .85rem; }
        details pre { white-space: pre-wrap; font-size: .8rem; max-height: 20rem; overflow: auto; background: var(--ground);
          padding: .6rem; border-radius: .4rem; }
        .item { border-bottom: 1px solid var(--line); padding: .5rem 0; }
        .item button { all: unset; cursor: pointer; color: var(--accent); font-weight: 600; }
        .item p { margin: .2rem 0 0; font-size: .93rem; }
        .item.dropped { opacity: .5; text-decoration: line-through; }
        mark { background: var(--mark); color: inherit; border-radius: .2rem; }
        dialog { max-width: min(46rem, 94vw); max-height: 85vh; color: inherit; }
        #run { width: min(70rem, 94vw); max-width: 94vw; }
        #run-page { width: 100%; height: 65vh; border: 1px solid var(--line); background: #fff; }
        dialog::backdrop { background: #0008; }
        #compared { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; }
        #comparison { margin-top: 1rem; }
        #compared td:first-child { white-space: nowrap; overflow-wrap: normal; width: 1%; color: var(--faint); }
        #compared td { white-space: pre-wrap; overflow-wrap: anywhere; vertical-align: top; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; }
        td { padding: .2rem .4rem .2rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
        [hidden] { display: none !important; }
        @media (max-width: 60rem) {
          #panes, #compared { grid-template-columns: minmax(0, 1fr); }
          #layout { grid-template-columns: minmax(0, 1fr); padding: .7rem; }
          nav { order: 2; }
          nav ul { max-height: none; }
        }
        @media (prefers-reduced-motion: no-preference) {
          #status.busy::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .5em;
            border: 2px solid var(--accent); border-top-color: transparent; border-radius: 50%; animation: turn 1s linear infinite; }
          @keyframes turn { to { transform: rotate(1turn); } }
        }
        .asked-before { font-weight: 600; margin: 0.75rem 0 0.1rem; }
        .answered-before { margin: 0 0 0.75rem; white-space: pre-wrap; }
        #follow { margin-top: 1rem; }
        """#
}
