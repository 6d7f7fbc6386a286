/* The client on a bad network, with tokens that it has to replace each second. */
import '../../../test/support/with-short-tokens.js';
import '../faults.e2e-spec.js';
