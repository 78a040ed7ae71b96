/* The demo model with another chat template. */
#ifndef NIBBLE_TEST_DEMO_MODEL_H
#define NIBBLE_TEST_DEMO_MODEL_H

/* Its folder, under test_tmpdir(); in test_path's ring. */
const char *demo_model(const char *name, const char *template);

#endif
