"""Aligned face crops: five keypoints onto the ArcFace template by a similarity transform.

Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (PAMI 1991); template of
insightface's ``face_align``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.metrics.features.face import check_image

#: Where eyes, nose and mouth corners lie in a crop of 112 x 112, float64 (5, 2), x and y in pixels.
ARCFACE_TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
ARCFACE_TEMPLATE.setflags(write=False)
_TEMPLATE_SIZE = 112
_NEGLIGIBLE = 1e-12


def similarity_transform(points: ArrayLike, template: ArrayLike) -> NDArray[np.float64] | None:
    """The rotation, uniform scale and shift that bring ``points`` nearest to ``template``.

    Minimises the sum of squared distances, without reflection. In the plane Umeyama's solution is a linear regression
    of complex numbers: with both sets centred, ``factor = sum(conj(p) * t) / sum(|p|^2)``, whose modulus is the scale
    and whose angle is the rotation.

    Args:
        points: (K, 2), x and y, K >= 2.
        template: (K, 2), where they should go.

    Returns:
        float64 (2, 3), applied as ``M @ (x, y, 1)``; ``None`` where no transform exists: all points (or all of the
        template) in one place, a best scale of zero, coordinates that are not finite.

    Raises:
        ValueError: the shapes are not (K, 2), or differ.
    """
    source, target = np.asarray(points, dtype=np.float64), np.asarray(template, dtype=np.float64)
    if source.ndim != 2 or source.shape[1] != 2 or len(source) < 2 or source.shape != target.shape:
        raise ValueError(f"points and template are both (K, 2) with K >= 2, not {source.shape}, {target.shape}")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        return None
    p, t = source @ np.array([1, 1j]), target @ np.array([1, 1j])
    p_mean, t_mean = p.mean(), t.mean()
    p_spread = float(np.linalg.norm(p - p_mean))
    if p_spread <= _NEGLIGIBLE * float(np.abs(p).max()):
        return None
    factor = np.vdot(p - p_mean, t - t_mean) / p_spread**2
    if abs(factor) * p_spread <= _NEGLIGIBLE * float(np.abs(t).max()):
        return None
    shift = t_mean - factor * p_mean
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def norm_crop(rgb: NDArray[np.uint8], keypoints: ArrayLike, size: int = 112) -> NDArray[np.uint8] | None:
    """Cut a face out, upright and of standard size.

    Args:
        rgb: uint8, H x W x 3 (any channel order; it is kept).
        keypoints: (5, 2) in pixels of the image, in the order of the template.
        size: side of the crop, a multiple of 112; the template grows with it. CurricularFace takes 224.

    Returns:
        uint8 (size, size, 3), sampled linearly, black outside the image; ``None`` where the keypoints admit no
        transform (see :func:`similarity_transform`).

    Raises:
        ValueError: another size, not an image, or not five keypoints.
    """
    import cv2

    if size <= 0 or size % _TEMPLATE_SIZE:
        raise ValueError(f"the side of a crop is a multiple of {_TEMPLATE_SIZE}, not {size}")
    matrix = similarity_transform(keypoints, ARCFACE_TEMPLATE * (size / _TEMPLATE_SIZE))
    if matrix is None:
        return None
    crop = cv2.warpAffine(
        check_image(rgb), matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return crop.astype(np.uint8, copy=False)
