// SPDX-License-Identifier: Apache-2.0

// `import Forage` brings the whole library: a corpus, its indexes, models, tools, the agent loop, training and evaluation.
@_exported public import AgentRuntime
@_exported public import CorpusStore
@_exported public import Evaluation
@_exported public import LanguageModels
@_exported public import PolicyLearning
@_exported public import QualityMetrics
@_exported public import RetrievalTools
@_exported public import SearchIndex
@_exported public import TensorMath
@_exported public import TextEncoders
@_exported public import TextProcessing
