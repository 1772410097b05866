// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// One module of the design: its name, the modules it may import, and the outside libraries it needs.
/// Arrows go downward only: a module lists modules that stand before it in `modules`.
struct Module {
    var name: String
    var uses: [String] = []
    var libraries: [Target.Dependency] = []
    /// Test resources are copied whole into the bundle of the module's test target.
    var testResources: [Resource] = []
    /// Modules that only the tests import.
    var testUses: [String] = []
}

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let orderedCollections: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")

let modules: [Module] = [
    Module(name: "Base", uses: ["CKernels", "CBundledFiles"], libraries: [yams, orderedCollections]),
    Module(name: "Net", uses: ["Base", "CCurl"]),
    Module(name: "Postgres", uses: ["Base", "CPostgres"], testUses: ["PostgresTestServer"]),
    Module(name: "TensorMath", uses: ["Base", "CKernels", "COpenBLAS"]),
    Module(
        name: "Text", uses: ["Base", "CKernels", "CStemmer"], libraries: [orderedCollections],
        testUses: ["TensorMath"]),
    Module(
        name: "QualityMetrics", uses: ["Base", "Text"], libraries: [orderedCollections],
        testResources: [.copy("Fixtures")]),
    Module(
        name: "Transformers", uses: ["Base", "CKernels", "COpenBLAS", "TensorMath", "Text"],
        libraries: [orderedCollections]),
    Module(
        name: "Documents",
        uses: ["Base", "CArchive", "CXML", "CMarkdown", "CPoppler", "CMail"],
        libraries: [orderedCollections], testResources: [.copy("Files")]),
    Module(name: "Corpus", uses: ["Base", "CKernels", "Text", "Documents"], libraries: [grdb, collections]),
    Module(
        name: "Datasets", uses: ["Base", "Text", "QualityMetrics", "Corpus"], libraries: [orderedCollections]),
    Module(
        name: "Encoders", uses: ["Base", "Net", "CKernels", "COpenBLAS", "TensorMath", "Text", "Transformers"],
        libraries: [collections]),
    Module(
        name: "Search",
        uses: ["Base", "Net", "CKernels", "COpenBLAS", "TensorMath", "Text", "Transformers", "Corpus", "Encoders"],
        libraries: [collections]),
    Module(
        name: "LanguageModels",
        uses: ["Base", "Net", "CKernels", "COpenBLAS", "TensorMath", "Text", "Transformers", "Encoders"],
        libraries: [yams, collections], testResources: [.copy("Resources")]),
    Module(
        name: "Tools",
        uses: ["Base", "Net", "CKernels", "Text", "Corpus", "Encoders", "Search", "LanguageModels"],
        libraries: [yams, collections]),
    Module(
        name: "PostgresCorpus",
        uses: ["Base", "Text", "Corpus", "Encoders", "Search", "Postgres"],
        testUses: ["PostgresTestServer"]),
    Module(name: "Reading", uses: ["Base", "Text"]),
    Module(
        name: "Episodes", uses: ["Base", "TensorMath", "Text", "Corpus", "LanguageModels", "Tools"],
        libraries: [collections]),
    Module(
        name: "Agent",
        uses: [
            "Base", "Net", "Postgres", "COpenBLAS", "TensorMath", "Text", "QualityMetrics", "Corpus", "Encoders",
            "Search",
            "LanguageModels", "Tools", "Reading", "Episodes",
        ],
        libraries: [yams, grdb, collections], testUses: ["PostgresTestServer"]),
    Module(
        name: "Traces",
        uses: ["Base", "Net", "Text", "Corpus", "Encoders", "LanguageModels", "Tools", "Episodes", "Agent"],
        libraries: [collections], testUses: ["Search"]),
    Module(
        name: "Learning",
        uses: [
            "Base", "Net", "CKernels", "COpenBLAS", "TensorMath", "Text", "QualityMetrics", "Transformers", "Datasets",
            "Corpus",
            "Encoders", "Search", "LanguageModels", "Tools", "Reading", "Episodes", "Agent",
        ],
        libraries: [yams, collections]),
    Module(
        name: "Evaluation",
        uses: [
            "Base", "Net", "TensorMath", "Text", "QualityMetrics", "Datasets", "Corpus", "Encoders", "Search",
            "LanguageModels",
            "Tools", "Reading", "Episodes", "Agent", "Learning",
        ],
        libraries: [yams, collections]),
    Module(
        name: "Assembly",
        uses: [
            "Base", "Net", "Text", "Datasets", "Corpus", "Encoders", "Search", "LanguageModels", "Tools", "Postgres",
            "PostgresCorpus", "Episodes", "Agent", "Learning", "Evaluation",
        ],
        libraries: [collections]),
    Module(
        name: "Serving",
        uses: [
            "Base", "Net", "Postgres", "PostgresCorpus", "Assembly", "Text", "QualityMetrics", "Datasets", "Corpus",
            "Encoders",
            "Search", "LanguageModels",
            "Tools", "Episodes", "Agent", "Learning", "Evaluation",
        ],
        libraries: [
            hummingbird, logging,
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOWebSocket", package: "swift-nio"),
        ]),
]

/// The settings of every Swift target: the features of the next language mode, and no warnings.
let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
    .treatAllWarnings(as: .error),  // SE-0443
]

func dependencies(_ names: [String]) -> [Target.Dependency] {
    names.map { .target(name: $0) }
}

let everyModule = modules.map(\.name)

var targets: [Target] = [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CLibraryLoader"),
    .target(name: "CCurl", dependencies: ["CLibraryLoader"]),
    // Policies/ and Tools/ inside the program.
    .target(name: "CBundledFiles"),
    .systemLibrary(name: "CStemmer", providers: [.apt(["libstemmer-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .target(name: "CXML", dependencies: ["CLibXML2"]),
    .systemLibrary(name: "CMarkdown", pkgConfig: "libcmark-gfm", providers: [.apt(["libcmark-gfm-dev"])]),
    // libpq, loaded when the first connection is made.
    .target(name: "CPostgres", dependencies: ["CLibraryLoader"]),
    // A server for the tests of what talks to one.
    .target(name: "PostgresTestServer", path: "Tests/PostgresTestServer", swiftSettings: swiftSettings),
    // These two load their libraries when the first PDF or message is read.
    .target(name: "CPoppler", dependencies: ["CLibraryLoader"]),
    .target(name: "CMail", dependencies: ["CLibraryLoader"]),
    // Optimised in debug builds as well: tests run the kernels, and at -O0 they take minutes.
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O2"], .when(configuration: .debug))]),
    .target(
        name: "Forage", dependencies: dependencies(everyModule.filter { $0 != "Serving" }), path: "Sources/Umbrella",
        swiftSettings: swiftSettings),
    .executableTarget(
        name: "ForageCommand",
        dependencies: dependencies(everyModule) + [argumentParser, logging, yams, orderedCollections],
        path: "Sources/forage", swiftSettings: swiftSettings),
    .executableTarget(
        name: "LibraryExample", dependencies: ["Forage"], path: "Examples/library", swiftSettings: swiftSettings),
    .executableTarget(
        name: "EmbeddingExample", dependencies: ["Forage", "Serving", hummingbird], path: "Examples/embed",
        swiftSettings: swiftSettings),
    .executableTarget(
        name: "ForageBenchmarks",
        dependencies: dependencies(everyModule.filter { $0 != "Serving" }) + [
            "CKernels", "COpenBLAS", argumentParser, orderedCollections,
        ],
        path: "Sources/Benchmarks", exclude: ["peers"], swiftSettings: swiftSettings),
]

for module in modules {
    targets.append(
        .target(
            name: module.name, dependencies: dependencies(module.uses) + module.libraries,
            swiftSettings: swiftSettings))
    targets.append(
        .testTarget(
            name: module.name + "Tests",
            dependencies: dependencies([module.name] + module.uses + module.testUses) + module.libraries,
            resources: module.testResources, swiftSettings: swiftSettings))
}

let package = Package(
    name: "forage",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Forage", targets: ["Forage"]),
        .library(name: "ForageServing", targets: ["Serving"]),
        .executable(name: "forage", targets: ["ForageCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // Without its default traits: they are passed to the compiler in hash order, which rebuilds it at random.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: targets,
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
