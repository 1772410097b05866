// SPDX-License-Identifier: Apache-2.0
// Snowball's stemmers, from the system's libstemmer.
#pragma once
#include <libstemmer.h>
