#include "tests/pty/pty.h"
const pty_test pty_secret_tests[] = {{0}};
