// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOWebSocket
import NIOHTTP1
import NIOPosix
