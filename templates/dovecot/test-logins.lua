-- For a test target: asks at the same socket as logins.lua, where the target itself answers, and for
-- clients without TLS, too.
dofile("/usr/local/share/signpost/logins.lua")
local verify = auth_password_verify

function auth_password_verify(request, password)
  local asked = { user = request.user, remote_ip = request.remote_ip, secured = "TLS" }
  return verify(asked, password)
end
