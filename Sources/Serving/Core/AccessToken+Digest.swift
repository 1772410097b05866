// SPDX-License-Identifier: Apache-2.0

import Base
import Text

extension AccessToken {
    /// SHA-256: digests have one length, so that comparing them leaks none.
    static func digest(of secret: String) -> [UInt8] {
        var hash = SHA256()
        Array(secret.utf8).withUnsafeBytes { hash.update($0) }
        return hash.finalize()
    }
}
