"""The score of a trained run: log p(x) or log Z, the use of its latents, pictures."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "annealed_options": ("AnnealedScoreOptions",),
        "annealed_score": ("AnnealedScore", "row_start"),
        "annealed_summary": (
            "bdmc_summary",
            "beside_importance",
            "importance_sampled",
            "read_annealed",
        ),
        "densities": ("density_picture",),
        "energy_score": ("score_energy",),
        "latents": ("latent_usage", "moment_kl", "mutual_information"),
        "pictures": (
            "draw_pictures",
            "interpolations",
            "picture",
            "reconstructions",
            "samples",
            "traversals",
        ),
        "result": ("RESULT", "identity", "place", "read_placed", "read_result", "trusted_k"),
        "score": ("bits_per_dimension", "score_images", "score_run", "summary"),
    },
)
