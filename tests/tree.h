/* A folder's whole content as text, one line an entry, sorted: what a golden listing holds, and
 * what must not change outside of a store (A20). */
#ifndef NIBBLE_TEST_TREE_H
#define NIBBLE_TEST_TREE_H

/* "d MODE PATH", "f MODE BYTES SHA256 PATH", "l PATH -> TARGET", paths below dir; malloc'd. No link
 * is followed. */
char *tree_text(const char *dir);
/* A fresh folder where fsync costs nothing (/dev/shm), else test_tmpdir(); removed at exit. */
const char *tree_scratch(void);
/* Removes dir and everything in it, whatever its modes. */
void tree_remove(const char *dir);

#endif
