-- SPDX-License-Identifier: Apache-2.0
-- Requests of /retrieve for wrk. Arguments after `--`: the queries' file (one a line), queries in one request, mode (may
-- be left out): wrk -t 2 -c 16 -d 15 -s retrieve.lua http://127.0.0.1:8000 -- queries.txt 1 keyword
local bodies, next_body = {}, 0

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', " ") .. '"'
end

function init(arguments)
  local size = tonumber(arguments[2] or "1")
  local mode = arguments[3] and (',"mode":"' .. arguments[3] .. '"') or ""
  local batch = {}
  for line in io.lines(arguments[1]) do
    batch[#batch + 1] = quoted(line)
    if #batch == size then
      bodies[#bodies + 1] = '{"queries":[' .. table.concat(batch, ",") .. '],"topk":3,"return_scores":true' .. mode .. "}"
      batch = {}
    end
  end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  next_body = next_body % #bodies + 1
  return wrk.format(nil, "/retrieve", nil, bodies[next_body])
end

-- Prints failures apart: a server that refuses fast is not a fast server.
function done(summary)
  local errors = summary.errors
  print(string.format("requests %d, not answered with 2xx %d, lost %d", summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
