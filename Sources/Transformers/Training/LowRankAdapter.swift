// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// What low-rank tuning added to a decoder (LoRA, Hu et al., arXiv 2106.09685): for some of its matrices a product of two
/// thin ones, scale · B A. Small enough to lie in a file beside the model.
///
/// Rows of B are in the order of the Transformers library, whatever order the model's own file has.
public struct LowRankAdapter: Sendable, Hashable {
    /// A matrix of a decoder.
    public struct Place: Sendable, Hashable, Comparable {
        public var layer: Int
        public var projection: DecoderProjection

        public init(_ layer: Int, _ projection: DecoderProjection) {
            self.layer = layer
            self.projection = projection
        }

        public static func < (left: Self, right: Self) -> Bool {
            (left.layer, left.projection) < (right.layer, right.projection)
        }
    }

    /// Two thin matrices.
    public struct Pair: Sendable, Hashable {
        /// rank × inputs
        public var a: Matrix
        /// outputs × rank
        public var b: Matrix
    }

    /// Columns of B and rows of A; the same for all matrices.
    public var rank: Int
    /// What the products are multiplied by: alpha / rank.
    public var scale: Float
    /// Tells the model that it was made for from others, whichever way its matrices are quantised; empty where unknown.
    public var base: String
    /// The model's name, for messages.
    public var baseName: String
    /// What is told of it: how it was trained, what it gained.
    public var notes: [String: String]
    /// The products.
    public var pairs: [Place: Pair]

    /// The largest rank that is read.
    public static let largestRank = 256

    static func firstName(_ layer: Int, _ projection: DecoderProjection) -> String {
        DifferentiableDecoder.prefix(layer) + projection.name + ".lora_A.weight"
    }
    static func secondName(_ layer: Int, _ projection: DecoderProjection) -> String {
        DifferentiableDecoder.prefix(layer) + projection.name + ".lora_B.weight"
    }

    public init(
        rank: Int, scale: Float, base: String, baseName: String = "", notes: [String: String] = [:],
        pairs: [Place: Pair] = [:]
    ) {
        self.rank = rank
        self.scale = scale
        self.base = base
        self.baseName = baseName
        self.notes = notes
        self.pairs = pairs
    }

    /// Takes what a training gave.
    ///
    /// - Parameter parameters: Those of ``DifferentiableDecoder/parameters(for:projections:seed:)`` for a low rank.
    public init(
        _ parameters: ParameterSet, tuning: Tuning, of decoder: DifferentiableDecoder, base: String,
        baseName: String = "", notes: [String: String] = [:]
    ) {
        var rank = 0
        if case .lora(let number, _, _) = tuning { rank = number }
        self.init(
            rank: rank, scale: DifferentiableDecoder.scale(tuning), base: base, baseName: baseName, notes: notes)
        for layer in 0..<decoder.layerCount {
            for projection in DecoderProjection.allCases {
                let first = Self.firstName(layer, projection)
                guard parameters.contains(first) else { continue }
                let second = parameters[Self.secondName(layer, projection)]
                let order = Self.order(projection, decoder.shape)
                pairs[Place(layer, projection)] = Pair(
                    a: parameters[first], b: order.map { Self.scattered(second, to: $0) } ?? second)
            }
        }
    }

    /// The weights to train on from, under the names of ``DifferentiableDecoder/parameters(for:projections:seed:)``.
    public func parameters(of decoder: DifferentiableDecoder) -> ParameterSet {
        var result = ParameterSet()
        for place in pairs.keys.sorted() {
            guard let pair = pair(place, shape: decoder.shape) else { continue }
            result.add(Self.firstName(place.layer, place.projection), pair.a)
            result.add(Self.secondName(place.layer, place.projection), pair.b)
        }
        return result
    }

    /// The way of tuning that made it.
    public var tuning: Tuning { .lora(rank: rank, scale: scale * Float(rank), layers: .max) }

    /// The two matrices of a place with their rows in the order of a model's own file.
    public func pair(_ place: Place, shape: DecoderShape) -> Pair? {
        guard let pair = pairs[place] else { return nil }
        guard let order = Self.order(place.projection, shape) else { return pair }
        return Pair(a: pair.a, b: pair.b.rows(at: order))
    }

    /// What is added to a matrix of the model.
    public func change(_ place: Place, shape: DecoderShape) -> Matrix? {
        guard let pair = pair(place, shape: shape) else { return nil }
        var result = Matrix(rows: pair.b.rows, columns: pair.a.columns)
        result.elements.withUnsafeMutableBufferPointer { result in
            pair.b.elements.withUnsafeBufferPointer { b in
                pair.a.elements.withUnsafeBufferPointer { a in
                    BLAS.gemm(
                        rows: pair.b.rows, columns: pair.a.columns, depth: rank, alpha: scale, b, a, into: result)
                }
            }
        }
        return result
    }

    /// Which row of the Transformers library's order each row of a model's file is; nil where they are the same. GGUF
    /// files of Llama have the two halves of each rotated head one number after the other.
    private static func order(_ projection: DecoderProjection, _ shape: DecoderShape) -> [Int]? {
        guard shape.interleavesRotation, projection == .query || projection == .key else { return nil }
        let (size, half) = (shape.headSize, shape.frequencies.count)
        return (0..<projection.size(shape).outputs).map { row in
            let (head, place) = (row / size, row % size)
            guard place < 2 * half else { return row }
            return head * size + place % 2 * half + place / 2
        }
    }

    /// The rows moved to where `order` has them.
    private static func scattered(_ matrix: Matrix, to order: [Int]) -> Matrix {
        var inverse = [Int](repeating: 0, count: order.count)
        for (row, place) in order.enumerated() { inverse[place] = row }
        return matrix.rows(at: inverse)
    }

    /// Why the adapter does not fit a model; nil where it does.
    ///
    /// - Parameter base: What tells the model from others.
    public func fault(shape: DecoderShape, layers: Int, base: String) -> String? {
        guard !pairs.isEmpty else { return "it holds no products" }
        let made = baseName.isEmpty ? "another model" : "\"\(baseName)\""
        if !self.base.isEmpty, self.base != base { return "it was made for \(made), whose weights are others" }
        for (place, pair) in pairs.sorted(by: { $0.key < $1.key }) {
            guard place.layer < layers else {
                return "it was made for a model of more than \(place.layer) layers, this one has \(layers)"
            }
            let size = place.projection.size(shape)
            guard pair.a.columns == size.inputs, pair.b.rows == size.outputs else {
                return "its \(place.projection.rawValue) of layer \(place.layer) is for a matrix of \(pair.b.rows) × "
                    + "\(pair.a.columns), this model's has \(size.outputs) × \(size.inputs)"
            }
        }
        return nil
    }
}
