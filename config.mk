# config.mk - what is built and where it goes. Any of these can be given on make's command line instead.

# Each name is applets/NAME.c; one that is not listed is neither compiled nor linked.
APPLETS = sendmail mail relayd relayctl mapgen mxcheck

VERSION = 0.1.0

# make install
PREFIX = /usr/local
