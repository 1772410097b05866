#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes the readers and parsers with libFuzzer: fuzz.sh [SECONDS [TARGET…]]
#
# C (with the address sanitizer): pdf mail xml archive. Swift: json yaml documents delimited filter template gguf
# safetensors section. SECONDS is for each target; default 60. Needs a debug build (`make test`), whose outside modules
# are linked. Inputs that were found are kept in .build/fuzz/corpus, what fails is written to .build/fuzz/failures.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
c_targets="pdf mail xml archive"
swift_targets="json yaml documents delimited filter template gguf safetensors section"
targets=${*:-$c_targets $swift_targets}
out=.build/fuzz
loader="-ISources/CLibraryLoader/include $(echo Sources/CLibraryLoader/*.c)"
built=.build/debug
tools=$(dirname "$(readlink -f "$(command -v swiftc)")")
mkdir -p $out/modules $out/failures

c_fuzzer() {
    local name=$1
    shift
    [ "$out/$name" -nt "Tests/Fuzz/$name.c" ] || "$tools/clang" -g -O1 -fsanitize=fuzzer,address -std=gnu11 \
        "Tests/Fuzz/$name.c" "$@" -o "$out/$name"
}

module() {
    local name=$1
    [ -e "$out/modules/$name.o" ] && [ -z "$(find "Sources/$name" -newer "$out/modules/$name.o" -name '*.swift')" ] && return
    echo "compiling $name"
    # shellcheck disable=SC2046
    swiftc -O -wmo -parse-as-library -sanitize=fuzzer -enable-testing -swift-version 6 -package-name forage \
        -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility \
        -enable-upcoming-feature InternalImportsByDefault -enable-upcoming-feature NonisolatedNonsendingByDefault \
        -module-name "$name" -emit-module -emit-module-path "$out/modules/$name.swiftmodule" \
        -c -o "$out/modules/$name.o" -I "$out/modules" -I $built/Modules "${c_modules[@]}" \
        $(find "Sources/$name" -name '*.swift')
}

swift_fuzzer() {
    c_modules=()
    for folder in CKernels CBundledFiles CCurl CLibraryLoader CPoppler CMail CXML; do
        c_modules+=(-Xcc "-ISources/$folder/include")
        # Modules without a map of their own have the one that the package manager made.
        [ -e "Sources/$folder/include/module.modulemap" ] \
            || c_modules+=(-Xcc "-fmodule-map-file=$built/$folder.build/module.modulemap")
    done
    for folder in COpenBLAS CStemmer CArchive CLibXML2 CMarkdown; do
        c_modules+=(-Xcc "-fmodule-map-file=Sources/$folder/module.modulemap")
    done
    for map in "$PWD"/$built/{CYaml,GRDBSQLite,_NumericsShims}.build/module.modulemap; do
        [ -e "$map" ] && c_modules+=(-Xcc "-fmodule-map-file=$map")
    done
    for sqlite in .build/checkouts/GRDB.swift/Sources/GRDBSQLite/module.modulemap; do
        c_modules+=(-Xcc "-fmodule-map-file=$sqlite")
    done
    # shellcheck disable=SC2207
    c_modules+=($(pkg-config --cflags-only-I libxml-2.0 libarchive openblas 2>/dev/null | sed 's/-I/-Xcc -I/g'))
    for name in Base Net TensorMath Text Transformers Documents Corpus Encoders LanguageModels; do module $name; done
    local objects
    objects=$(find $built/{Yams,CYaml,GRDB,CKernels,CBundledFiles,CCurl,CLibraryLoader,CPoppler,CMail,CXML}.build $built/*Collections*.build \
        $built/{DequeModule,HashTreeCollections,InternalCollectionsUtilities,ContainersPreview,BasicContainers,HeapModule}.build \
        -name '*.o' 2>/dev/null || true)
    # shellcheck disable=SC2086
    [ $out/parsers -nt $out/modules/LanguageModels.o ] && [ $out/parsers -nt Tests/Fuzz/parsers.swift ] \
        || swiftc -O -parse-as-library -sanitize=fuzzer -swift-version 6 -package-name forage -module-name parsers \
            -enable-upcoming-feature MemberImportVisibility \
            -I $out/modules -I $built/Modules "${c_modules[@]}" Tests/Fuzz/parsers.swift $out/modules/*.o $objects \
            $(pkg-config --libs libxml-2.0 libarchive openblas) -lcmark-gfm -lstemmer -lsqlite3 -lcurl \
            -ldl -o $out/parsers
}

failed=0
for name in $targets; do
    program=$out/$name
    case $name in
        # shellcheck disable=SC2086
        pdf) c_fuzzer pdf $loader -ISources/CPoppler/include Sources/CPoppler/*.c -ldl ;;
        # shellcheck disable=SC2086
        mail) c_fuzzer mail $loader -ISources/CMail/include Sources/CMail/*.c -ldl ;;
        # shellcheck disable=SC2046
        xml) c_fuzzer xml -ISources/CXML/include $(pkg-config --cflags --libs libxml-2.0) -ISources/CLibXML2 Sources/CXML/*.c ;;
        archive) c_fuzzer archive -larchive ;;
        *)
            swift_fuzzer
            program=$out/parsers
            ;;
    esac
    corpus=$out/corpus/$name
    if [ ! -d "$corpus" ]; then
        mkdir -p "$corpus"
        case $name in
            pdf | archive | documents) find Tests/DocumentsTests/Files -size -200k -type f -exec cp {} "$corpus" \; ;;
            template) find Tests/LanguageModelsTests/Resources -name '*.jinja' -exec cp {} "$corpus" \; ;;
        esac
    fi
    echo "== $name for $seconds s"
    FORAGE_FUZZ=$name ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 nice -n 10 "$program" "$corpus" \
        -max_total_time="$seconds" -timeout=20 -report_slow_units=100 -rss_limit_mb=2000 -max_len=65536 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$out/failures/$name-" 2>&1 | grep -E "stat::(number_of_executed|average|peak|new)|ERROR|SUMMARY|Fatal|precondition" \
        || true
    if compgen -G "$out/failures/$name-*" > /dev/null; then
        failed=1
        echo "$name FAILED: $(ls $out/failures/$name-*)"
    fi
done
exit $failed
