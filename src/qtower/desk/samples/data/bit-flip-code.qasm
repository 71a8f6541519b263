// Three-qubit bit-flip code: a logical 1 survives an error on the middle qubit. The syndrome is 11
// and the corrected word is always 111.
// P. W. Shor, "Scheme for reducing decoherence in quantum computer memory" (1995).
OPENQASM 2.0;
include "qelib1.inc";
qreg data[3];
qreg ancilla[2];
creg syndrome[2];
creg word[3];
x data[0];
cx data[0], data[1];
cx data[0], data[2];
barrier data;
x data[1];
barrier data;
cx data[0], ancilla[0];
cx data[1], ancilla[0];
cx data[1], ancilla[1];
cx data[2], ancilla[1];
measure ancilla -> syndrome;
if (syndrome == 1) x data[0];
if (syndrome == 3) x data[1];
if (syndrome == 2) x data[2];
measure data -> word;
