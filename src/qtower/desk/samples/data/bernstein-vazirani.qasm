// Bernstein-Vazirani: one question to f(x) = s.x mod 2 yields all of s = 10110.
// E. Bernstein, U. Vazirani, "Quantum complexity theory", SIAM J. Comput. 26 (1997) 1411.
OPENQASM 2.0;
include "qelib1.inc";
qreg q[5];
qreg target[1];
creg secret[5];
x target;
h q;
h target;
barrier q, target;
cx q[1], target[0];
cx q[2], target[0];
cx q[4], target[0];
barrier q, target;
h q;
measure q -> secret;
