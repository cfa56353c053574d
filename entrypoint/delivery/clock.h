/* How much time has gone by, whoever sets the clock meanwhile. */
#pragma once

long long milliseconds(void);
