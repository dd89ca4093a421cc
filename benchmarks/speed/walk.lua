-- For wrk: each request carries the next Authorization value of a file, and starts over at its end.
-- Arguments: the file, a value on each line, and how many of them to skip at first.

local requests = {}
local position

function init(args)
   for value in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = value })
   end
   position = tonumber(args[2]) % #requests
end

function request()
   position = position % #requests + 1
   return requests[position]
end

-- Microseconds; the one line that begins with a brace.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout
   ))
end
