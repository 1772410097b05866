// SPDX-License-Identifier: Apache-2.0
// Guesses of character encodings, from the system's libuchardet.
#pragma once
#include <uchardet.h>
