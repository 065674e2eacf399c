-- For wrk: asks for the paths in a file, one a line, in turn. All requests are written before the first is sent.
-- wrk -s paths.lua <url> -- <file>
local requests = {}
local at = 0

function init(args)
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format('GET', path)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
