// SPDX-License-Identifier: Apache-2.0

import Base
import Evaluation
import Foundation
import Synchronization

/// Shows where a run stands on standard error: a table that is redrawn on a terminal, elsewhere one line a tenth of the
/// work, so that a log stays readable.
final class LiveTable: Sendable {
    private struct State {
        /// How many lines of the table stand above the cursor.
        var drawnLines = 0
        var lastDrawn = -1.0
        var lastTenth = 0
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// Shows the newest state.
    func update(_ progress: RunProgress) {
        state.withLock { state in
            let isLast = progress.done == progress.total
            guard isTerminal else {
                let tenth = progress.total > 0 ? 10 * progress.done / progress.total : 10
                guard tenth > state.lastTenth || isLast else { return }
                state.lastTenth = tenth
                note(progress.line)
                return
            }
            guard progress.seconds - state.lastDrawn > 0.1 || isLast else { return }
            state.lastDrawn = progress.seconds
            let size = Self.terminalSize
            let lines = progress.table(width: size.columns, height: size.rows - 1)
            var text = Self.upward(state.drawnLines)
            for line in lines { text += "\u{1B}[2K" + TerminalText.safeWithStyle(line) + "\n" }
            writeForPeople(text + "\u{1B}[J")
            state.drawnLines = lines.count
        }
    }

    /// Writes a line above the table.
    func say(_ text: String) {
        state.withLock { state in
            let clearing = state.drawnLines > 0 ? Self.upward(state.drawnLines) + "\u{1B}[J" : ""
            note(clearing + text)
            state.drawnLines = 0
        }
    }

    private static func upward(_ lines: Int) -> String { lines > 0 ? "\r\u{1B}[\(lines)A" : "\r" }

    private static var terminalSize: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 1 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}
