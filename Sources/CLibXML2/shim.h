// SPDX-License-Identifier: Apache-2.0
// Names libxml2 for the build. Swift code uses the target CXML: libxml2's headers bring those of ICU along, which Foundation
// has in another version.
#pragma once
