// SPDX-License-Identifier: Apache-2.0
// C kernels with run-time dispatch. One header per subject; this umbrella includes them all.
#pragma once
#include "child_process.h"
#include "columns.h"
#include "cpu_features.h"
#include "crc32c.h"
#include "decoder_kernels.h"
#include "encoder_kernels.h"
#include "graph_kernels.h"
#include "inverter.h"
#include "keyword_kernels.h"
#include "lm_kernels.h"
#include "late_interaction.h"
#include "suffix_array.h"
#include "training_kernels.h"
#include "vector_kernels.h"
#include "safe_files.h"
#include "xxh64.h"
