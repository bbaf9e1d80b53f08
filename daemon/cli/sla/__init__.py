"""`heliograph sla`: what was promised, asked before and after."""
