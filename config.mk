# config.mk - what is built and where it goes. Any of these can be given on make's command line instead.

# Each name is applets/NAME.c; one that is not listed is neither compiled nor linked.
APPLETS = sendmail mail relayd relayctl mapgen mxcheck

# Parts that are left out, by whole files: dkim (signatures), oauth (tokens made by relaybox), sts (MTA-STS and TLSRPT). Their parameters
# are then refused by name, and relaybox --version tells.
WITHOUT =

VERSION = 0.1.0

# make install
PREFIX = /usr/local
