"""What the ratings on a board say: who rated what, which ratings count, estimates, agreement, screening of raters."""
