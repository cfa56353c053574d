-- Asks filters.logins whether a login and a password belong together, as pam_signpost.c does for
-- smtpd. Not by PAM, of which Dovecot takes every failure for a wrong password: here no answer is a
-- temporary failure, which a mail program reads as [UNAVAILABLE] (RFC 5530) and tries again later.
local clock = require("socket").gettime
local unix = require("socket.unix")

local SOCKET = "/run/signpost/logins/socket"
local LONGEST = 2.0 -- seconds for a question and its answer (ANSWERED_WITHIN of login_server.py)
local RESULTS = {
  ["right\n"] = dovecot.auth.PASSDB_RESULT_OK,
  ["wrong\n"] = dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH,
}

-- The answer, or nil and why there is none.
local function ask(question)
  local link = unix.stream()
  local deadline = clock() + LONGEST
  local function within_time(step, ...)
    link:settimeout(math.max(0, deadline - clock()), "t")
    return link[step](link, ...)
  end
  local answer
  local done, cause = within_time("connect", SOCKET)
  if done then
    done, cause = within_time("send", question)
  end
  if done then
    link:shutdown("send")
    answer, cause = within_time("receive", #"right\n")
  end
  link:close()
  return answer, cause
end

function auth_password_verify(request, password)
  -- "secured" is a client on the machine itself without TLS, whom `ssl = required` lets try.
  if request.secured ~= "TLS" then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH
  end
  local answer, cause = ask(table.concat({ request.user, password, request.remote_ip }, "\0"))
  local result = RESULTS[answer]
  if result == nil then
    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "no answer: " .. (cause or "unknown")
  end
  return result, result == dovecot.auth.PASSDB_RESULT_OK and {} or nil
end
