// SPDX-License-Identifier: Apache-2.0

// `import Forage` brings the whole library: a corpus, its indexes, models, tools, the agent loop, training and evaluation.
@_exported public import Agent
@_exported public import Assembly
@_exported public import Corpus
@_exported public import Datasets
@_exported public import Documents
@_exported public import Encoders
@_exported public import Episodes
@_exported public import Evaluation
@_exported public import LanguageModels
@_exported public import Learning
@_exported public import Postgres
@_exported public import PostgresCorpus
@_exported public import QualityMetrics
@_exported public import Search
@_exported public import TensorMath
@_exported public import Text
@_exported public import Tools
@_exported public import Traces
