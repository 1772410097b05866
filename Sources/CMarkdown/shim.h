// SPDX-License-Identifier: Apache-2.0
// CommonMark with GitHub's additions, from the system's libcmark-gfm.
#pragma once
#include <cmark-gfm.h>
