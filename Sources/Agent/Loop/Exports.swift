// SPDX-License-Identifier: Apache-2.0

// States, actions, events, the loop and the ledger are told in `Episodes`; who composes an agent needs them all.
@_exported public import Episodes
