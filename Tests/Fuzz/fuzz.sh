#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the readers in C with libFuzzer and the address sanitizer: fuzz.sh [SECONDS [TARGET…]]
#
# The targets are pdf, mail, xml and archive; SECONDS is for each, default 60. Inputs that were found are kept in
# .build/fuzz/corpus, what fails is written to .build/fuzz/failures. Poppler and GMime are loaded when they are called, so
# that coverage is counted in the parts of this repository alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
out=.build/fuzz
clang=$(dirname "$(readlink -f "$(command -v swiftc)")")/clang
mkdir -p $out/failures
failed=0
for name in ${*:-pdf mail xml archive}; do
    case $name in
        pdf) parts="-ISources/CPoppler/include Sources/CPoppler/pdf_library.c -ldl" ;;
        mail) parts="-ISources/CMail/include Sources/CMail/mail_library.c -ldl" ;;
        xml) parts="-ISources/CXML/include -ISources/CLibXML2 Sources/CXML/xml_library.c $(pkg-config --cflags --libs libxml-2.0)" ;;
        archive) parts="-larchive" ;;
        *) echo "there is no target $name" && exit 64 ;;
    esac
    # shellcheck disable=SC2086
    "$clang" -g -O1 -fsanitize=fuzzer,address -std=gnu11 "Tests/Fuzz/$name.c" $parts -o "$out/$name" 2>/dev/null
    corpus=$out/corpus/$name
    if [ ! -d "$corpus" ]; then
        mkdir -p "$corpus"
        find Tests/DocumentsTests/Files -size -200k -type f -exec cp {} "$corpus" \;
    fi
    echo "== $name for $seconds s"
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 nice -n 10 "$out/$name" "$corpus" -max_total_time="$seconds" \
        -timeout=30 -rss_limit_mb=3000 -max_len=65536 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$out/failures/$name-" 2>&1 | grep -E "stat::|ERROR|SUMMARY" || true
    if compgen -G "$out/failures/$name-*" > /dev/null; then
        failed=1
        echo "$name failed: $(ls $out/failures/$name-*)"
    fi
done
exit $failed
