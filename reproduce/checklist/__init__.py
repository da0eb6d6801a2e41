"""The checklists of NeurIPS, Pineau and Papers with Code, answered from what is on disk."""
