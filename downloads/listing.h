/* The files of a repository as pull wants them: at the least traffic, or at none. What a commit
 * holds never changes, so its list is asked for once and kept on disk, in nibble's own cache folder
 * and not in the one shared with other clients (hub 2). */
#ifndef NIBBLE_LISTING_H
#define NIBBLE_LISTING_H

#include "downloads/cache.h"
#include "downloads/hub.h"

/* As dl_hub_repo, without what the scanners say. A commit whose list is kept costs no request (then
 * of out->model only the id is known); any other revision one, and its list only when it is not
 * kept. cache_dir NULL or "" = nothing is kept. A kept list is believed when its checksum,
 * endpoint, repository and commit are right and its names pass as those of a server do; else it is
 * none. */
nb_status dl_listing_ask(dl_net *net, const char *cache_dir, const char *id, const char *revision,
                         dl_repo *out, dl_trouble *trouble, const nb_hooks *hooks, nb_err *err);
/* Without a request: at the commit the cache knows for revision the list that is kept, else
 * (*whole = false) the files of the snapshot that are there. NB_NETWORK with DL_OFFLINE_MODE says
 * what is missing. */
nb_status dl_listing_here(dl_net *net, const char *cache_dir, const dl_cache *cache, const char *id,
                          const char *revision, dl_repo *out, bool *whole, dl_trouble *trouble,
                          nb_err *err);
/* The list was wrong: next time it is asked for. */
void dl_listing_forget(dl_net *net, const char *cache_dir, const char *id, const char *commit);

#endif
