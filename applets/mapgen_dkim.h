/* mapgen_dkim - mapgen --dkim: a key that signs mail, and what DNS has to say of it. */
#ifndef APPLETS_MAPGEN_DKIM_H
#define APPLETS_MAPGEN_DKIM_H

/* mapgen_dkim - makes DOMAIN.SELECTOR.pem in this folder unless it is there, and prints its record; a sysexits code */
int mapgen_dkim(const char *domain, const char *selector);

#endif
