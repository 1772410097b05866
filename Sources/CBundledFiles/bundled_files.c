// SPDX-License-Identifier: Apache-2.0
// One line a file; a test compares the list with the folders. The compiler tracks the files, so that an edited one is
// built in again.
#include "bundled_files.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char policies_adaptive_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/adaptive.yaml"
};
static const unsigned char policies_adaqr_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/adaqr.yaml"
};
static const unsigned char policies_agents_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/agents.yaml"
};
static const unsigned char policies_assisted_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/assisted.yaml"
};
static const unsigned char policies_baleen_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/baleen.yaml"
};
static const unsigned char policies_clues_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/clues.yaml"
};
static const unsigned char policies_corpus_questions_safetensors[] __attribute__((aligned(64))) = {
#embed "../../Policies/corpus-questions.safetensors"
};
static const unsigned char policies_corpus_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/corpus.yaml"
};
static const unsigned char policies_decompose_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/decompose.yaml"
};
static const unsigned char policies_feedback_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/feedback.yaml"
};
static const unsigned char policies_flare_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/flare.yaml"
};
static const unsigned char policies_forage_safetensors[] __attribute__((aligned(64))) = {
#embed "../../Policies/forage.safetensors"
};
static const unsigned char policies_forage_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/forage.yaml"
};
static const unsigned char policies_freeson_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/freeson.yaml"
};
static const unsigned char policies_golden_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/golden.yaml"
};
static const unsigned char policies_hops_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/hops.yaml"
};
static const unsigned char policies_hyde_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/hyde.yaml"
};
static const unsigned char policies_ircot_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/ircot.yaml"
};
static const unsigned char policies_jargon_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/jargon.yaml"
};
static const unsigned char policies_late_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/late.yaml"
};
static const unsigned char policies_menu_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/menu.yaml"
};
static const unsigned char policies_r1_searcher_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/r1-searcher.yaml"
};
static const unsigned char policies_react_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/react.yaml"
};
static const unsigned char policies_reader_safetensors[] __attribute__((aligned(64))) = {
#embed "../../Policies/reader.safetensors"
};
static const unsigned char policies_research_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/research.yaml"
};
static const unsigned char policies_rewrite_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/rewrite.yaml"
};
static const unsigned char policies_search_o1_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/search-o1.yaml"
};
static const unsigned char policies_search_r1_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/search-r1.yaml"
};
static const unsigned char policies_single_shot_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/single-shot.yaml"
};
static const unsigned char policies_tree_search_yaml[] __attribute__((aligned(64))) = {
#embed "../../Policies/tree-search.yaml"
};
static const unsigned char tools_aggregate_yaml[] __attribute__((aligned(64))) = {
#embed "../../Tools/aggregate.yaml"
};
static const unsigned char tools_filter_yaml[] __attribute__((aligned(64))) = {
#embed "../../Tools/filter.yaml"
};
static const unsigned char tools_keyword_search_yaml[] __attribute__((aligned(64))) = {
#embed "../../Tools/keyword_search.yaml"
};
static const unsigned char tools_read_yaml[] __attribute__((aligned(64))) = {
#embed "../../Tools/read.yaml"
};
static const unsigned char tools_semantic_search_yaml[] __attribute__((aligned(64))) = {
#embed "../../Tools/semantic_search.yaml"
};

#define BUNDLED(path, bytes) {path, bytes, sizeof bytes}

static const struct forage_bundled_file files[] = {
    BUNDLED("Policies/adaptive.yaml", policies_adaptive_yaml),
    BUNDLED("Policies/adaqr.yaml", policies_adaqr_yaml),
    BUNDLED("Policies/agents.yaml", policies_agents_yaml),
    BUNDLED("Policies/assisted.yaml", policies_assisted_yaml),
    BUNDLED("Policies/baleen.yaml", policies_baleen_yaml),
    BUNDLED("Policies/clues.yaml", policies_clues_yaml),
    BUNDLED("Policies/corpus-questions.safetensors", policies_corpus_questions_safetensors),
    BUNDLED("Policies/corpus.yaml", policies_corpus_yaml),
    BUNDLED("Policies/decompose.yaml", policies_decompose_yaml),
    BUNDLED("Policies/feedback.yaml", policies_feedback_yaml),
    BUNDLED("Policies/flare.yaml", policies_flare_yaml),
    BUNDLED("Policies/forage.safetensors", policies_forage_safetensors),
    BUNDLED("Policies/forage.yaml", policies_forage_yaml),
    BUNDLED("Policies/freeson.yaml", policies_freeson_yaml),
    BUNDLED("Policies/golden.yaml", policies_golden_yaml),
    BUNDLED("Policies/hops.yaml", policies_hops_yaml),
    BUNDLED("Policies/hyde.yaml", policies_hyde_yaml),
    BUNDLED("Policies/ircot.yaml", policies_ircot_yaml),
    BUNDLED("Policies/jargon.yaml", policies_jargon_yaml),
    BUNDLED("Policies/late.yaml", policies_late_yaml),
    BUNDLED("Policies/menu.yaml", policies_menu_yaml),
    BUNDLED("Policies/r1-searcher.yaml", policies_r1_searcher_yaml),
    BUNDLED("Policies/react.yaml", policies_react_yaml),
    BUNDLED("Policies/reader.safetensors", policies_reader_safetensors),
    BUNDLED("Policies/research.yaml", policies_research_yaml),
    BUNDLED("Policies/rewrite.yaml", policies_rewrite_yaml),
    BUNDLED("Policies/search-o1.yaml", policies_search_o1_yaml),
    BUNDLED("Policies/search-r1.yaml", policies_search_r1_yaml),
    BUNDLED("Policies/single-shot.yaml", policies_single_shot_yaml),
    BUNDLED("Policies/tree-search.yaml", policies_tree_search_yaml),
    BUNDLED("Tools/aggregate.yaml", tools_aggregate_yaml),
    BUNDLED("Tools/filter.yaml", tools_filter_yaml),
    BUNDLED("Tools/keyword_search.yaml", tools_keyword_search_yaml),
    BUNDLED("Tools/read.yaml", tools_read_yaml),
    BUNDLED("Tools/semantic_search.yaml", tools_semantic_search_yaml),
};

size_t forage_bundled_file_count(void) { return sizeof files / sizeof files[0]; }

struct forage_bundled_file forage_bundled_file_at(size_t index) { return files[index]; }
